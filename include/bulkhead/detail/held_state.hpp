#pragma once

#include <bulkhead/detail/future_state.hpp>

#include <cstdint>
#include <cxxabi.h>
#include <exception>
#include <functional>
#include <memory>
#include <mutex>
#include <type_traits>
#include <utility>

namespace bulkhead::detail {

/// The failure of the exception in flight, thrown by code of this process: its own where it is one
/// of ours, else task_exception with type and text. Only within a catch block.
failure thrown_failure() noexcept;
/// The same of one that was caught before.
failure failure_of(const std::exception_ptr& thrown) noexcept;

/// The state of a future whose outcome is made in this process.
template <class T>
class held_state final : public future_state<T> {
public:
  /// `source` is what a cancel() is passed on to; null: it ends the future itself.
  explicit held_state(std::shared_ptr<future_core> core,
                      std::shared_ptr<future_base> source = nullptr) noexcept
    : future_state<T>(std::move(core)), source_(std::move(source)) {}

  /// False where it has an outcome already; then nothing changes.
  bool give(outcome<T>&& o) {
    {
      const std::lock_guard lock{mutex_};
      if (way_ == way::ended)
        return false;
      this->put(std::move(o));
      way_ = way::ended;
    }
    this->finish();
    return true;
  }

  /// From now on it cannot be cancelled; false where it has its outcome.
  bool begin() {
    const std::lock_guard lock{mutex_};
    if (way_ == way::waiting)
      way_ = way::begun;
    return way_ == way::begun;
  }

  bool cancel(bool kill_running) override {
    if (source_)
      return source_->cancel(kill_running);
    const bool withdrawn = is(way::waiting);
    failure f;
    f.kind = failure_kind::cancelled;
    f.message = "the future was cancelled before its promise had begun";
    return withdrawn && give(std::move(f));
  }
  bool running() override { return (source_ && source_->running()) || is(way::begun); }
  double progress() override { return this->ready() ? 1 : source_ ? source_->progress() : 0; }

private:
  enum class way : std::uint8_t { waiting, begun, ended };
  bool is(way w) {
    const std::lock_guard lock{mutex_};
    return way_ == w;
  }

  const std::shared_ptr<future_base> source_;
  std::mutex mutex_;
  way way_ = way::waiting;
};

/// The duty to give an outcome: what it is destroyed with ends as abandoned.
template <class T>
class outcome_duty {
public:
  explicit outcome_duty(std::shared_ptr<held_state<T>> state) noexcept : state_(std::move(state)) {}
  outcome_duty(outcome_duty&&) noexcept = default;
  outcome_duty& operator=(outcome_duty&& other) noexcept {
    if (this != &other) {
      give_up();
      state_ = std::move(other.state_);
    }
    return *this;
  }
  ~outcome_duty() { give_up(); }

  const std::shared_ptr<held_state<T>>& state() const noexcept { return state_; }

private:
  // In a forked copy the original has the duty.
  void give_up() noexcept {
    if (state_ && !state_->ready() && state_->core()->is_of_own_process())
      state_->give(abandoned_failure());
  }

  std::shared_ptr<held_state<T>> state_;
};

/// What `f` makes of a value, for future::then.
template <class F, class T>
struct continued {
  using type = std::decay_t<std::invoke_result_t<F&, const T&>>;
};
template <class F>
struct continued<F, void> {
  using type = std::decay_t<std::invoke_result_t<F&>>;
};
template <class F, class T>
using continued_t = typename continued<F, T>::type;

template <class F, class T>
concept continues =
  (std::is_void_v<T> && std::is_invocable_v<F&>)
  || (!std::is_void_v<T>
      && std::is_invocable_v<F&, std::add_lvalue_reference_t<std::add_const_t<T>>>);

/// The outcome of f(value), or the failure that came instead of the value.
template <class F, class T>
outcome<continued_t<F, T>> continue_with(F& f, const outcome<T>& before) {
  using result = continued_t<F, T>;
  if (!before.has_value())
    return before.failure();
  try {
    const auto call = [&]() -> decltype(auto) {
      if constexpr (std::is_void_v<T>)
        return std::invoke(f);
      else
        return std::invoke(f, before.value());
    };
    if constexpr (std::is_void_v<result>)
      return call(), outcome<void>{};
    else
      return outcome<result>{call()};
  } catch (abi::__forced_unwind&) {
    throw;
  } catch (...) {
    return thrown_failure();
  }
}

} // namespace bulkhead::detail
