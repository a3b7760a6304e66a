#pragma once

#include <bulkhead/detail/future_base.hpp>
#include <bulkhead/outcome.hpp>

#include <cxxabi.h>
#include <mutex>
#include <optional>
#include <type_traits>
#include <utility>

namespace bulkhead::detail {

/// The shared state of a future: decodes its bytes once, in the first thread that asks.
template <class T>
class future_state : public future_base {
public:
  using future_base::future_base;

  /// The outcome; only after ready().
  const outcome<T>& get() {
    std::lock_guard lock{decode_mutex_};
    return decoded();
  }

  bool failed() final {
    if (!ready())
      return false;
    std::lock_guard lock{decode_mutex_};
    return !taken_ && !decoded().has_value();
  }

  /// Moves it out. Once: later calls of both throw config_error.
  outcome<T> take() {
    std::lock_guard lock{decode_mutex_};
    auto& mine = decoded();
    taken_ = mine.has_value();
    return std::move(mine);
  }

protected:
  /// Makes the outcome of what the worker sent. Once, under decode_mutex_.
  virtual void decode(std::optional<outcome<T>>& to) {
    if (failure_) {
      to.emplace(*failure_);
      return;
    }
    try {
      if constexpr (std::is_void_v<T>)
        decode_result<void>(bytes_.bytes()), to.emplace();
      else
        to.emplace(decode_result<T>(bytes_.bytes(), bytes_.descriptors()));
    } catch (abi::__forced_unwind&) {
      throw;
    } catch (...) {
      to.emplace(undecodable_result());
    }
    bytes_ = buffer{};
  }

private:
  outcome<T>& decoded() {
    if (taken_)
      throw config_error("the value of this future cannot be copied and has been moved out by "
                         "another copy of the future");
    if (!decoded_)
      decode(decoded_);
    return *decoded_;
  }

  std::optional<outcome<T>> decoded_;
  bool taken_ = false; ///< guarded by decode_mutex_
};

} // namespace bulkhead::detail
