#pragma once

#include <bulkhead/detail/future_base.hpp>
#include <bulkhead/outcome.hpp>

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstring>
#include <cxxabi.h>
#include <mutex>
#include <optional>
#include <span>
#include <type_traits>
#include <typeinfo>
#include <utility>

namespace bulkhead::detail {

/// Throws config_error where so many results do not fit into the memory that the caller brought.
void expect_room(std::size_t results, std::size_t room);

/// The shared state of a future: decodes its bytes once, in the first thread that asks.
template <class T>
class future_state : public future_base {
public:
  using future_base::future_base;

  /// The outcome; only after ready().
  const outcome<T>& get() {
    const outcome<T>* mine = nullptr;
    {
      std::lock_guard lock{decode_mutex_};
      mine = &decoded();
    }
    tell_taken();
    return *mine;
  }

  bool failed() final {
    if (!ready())
      return false;
    std::lock_guard lock{decode_mutex_};
    return !taken_ && !decoded().has_value();
  }

  /// Moves it out. Once: later calls of both throw config_error.
  outcome<T> take() {
    tell_taken();
    std::lock_guard lock{decode_mutex_};
    auto& mine = decoded();
    taken_ = mine.has_value();
    return std::move(mine);
  }

  /// Copies the elements of a vector to `to`, from the bytes where it is not made yet. Throws as
  /// value() does, and config_error where they do not fit. Only after ready().
  template <class Element>
  std::size_t copy_to(std::span<Element> to) {
    std::lock_guard lock{decode_mutex_};
    if (decoded_ || failure_ || bytes_.empty())
      return copy_elements<Element>(decoded().value(), to);
    reader in{bytes_.bytes()};
    const auto count = in.take_count(sizeof(Element), sizeof(Element), typeid(T));
    const auto* from = in.take(count * sizeof(Element), typeid(T));
    in.expect_end();
    expect_room(count, to.size());
    if (count != 0)
      std::memcpy(to.data(), from, count * sizeof(Element));
    return count;
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
  // Without decode_mutex_: a pool's lock may be taken.
  void tell_taken() noexcept {
    if (core()
        && !told_.exchange(true, std::memory_order_relaxed)) // once; nothing else hangs on it
      core()->tell_taken(id());
  }

  template <class Element>
  static std::size_t copy_elements(std::span<const Element> from, std::span<Element> to) {
    expect_room(from.size(), to.size());
    std::copy(from.begin(), from.end(), to.begin());
    return from.size();
  }

  outcome<T>& decoded() {
    if (taken_)
      throw config_error("the value of this future cannot be copied and has been moved out by "
                         "another copy of the future");
    if (!decoded_)
      decode(decoded_);
    return *decoded_;
  }

  std::optional<outcome<T>> decoded_;
  bool taken_ = false;            ///< guarded by decode_mutex_
  std::atomic<bool> told_{false}; ///< that somebody asked for it
};

} // namespace bulkhead::detail
