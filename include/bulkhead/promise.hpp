#pragma once

#include <bulkhead/future.hpp>

#include <concepts>
#include <exception>
#include <memory>
#include <type_traits>
#include <utility>

namespace bulkhead {

/// Gives a future its outcome by hand: for tests, and to bring other sources of results in line
/// with tasks. Its future has everything that a task's has; callbacks run on a thread of its own,
/// which the last of the promise and its futures waits for. Move-only; destroyed without an
/// outcome, it ends its future as `cancelled`. Thread-safe.
///
///     bulkhead::promise<int> answer;
///     auto doubled = answer.get_future().then([](int x) { return 2 * x; });
///     answer.set_value(21);
///     doubled.get(); // 42
template <class T>
class promise {
public:
  promise() : duty_(std::make_shared<detail::held_state<T>>(detail::make_promise_core())) {}

  /// Again and again; all share the outcome.
  future<T> get_future() const {
    state();
    return future<T>{duty_.state()};
  }

  /// False where the outcome is there already: given before, or the future was cancelled.
  template <std::convertible_to<T> Value = T>
    requires(!std::is_void_v<T>)
  bool set_value(Value&& value) {
    return state()->give(outcome<T>{T(std::forward<Value>(value))});
  }
  bool set_value()
    requires std::is_void_v<T>
  {
    return state()->give(outcome<void>{});
  }

  /// Fails the future; false as above.
  bool set_failure(failure f) { return state()->give(outcome<T>{std::move(f)}); }
  /// Fails it with what was thrown: an exception of ours as it is, another as a task's.
  bool set_exception(const std::exception_ptr& thrown) {
    return set_failure(detail::failure_of(thrown));
  }

  /// From now on the future is running() and cannot be cancelled. False where it was cancelled
  /// before, or has another outcome.
  bool set_running() { return state()->begin(); }

private:
  // A copy: whoever sees the outcome may destroy the promise while it is still being told to
  // others.
  std::shared_ptr<detail::held_state<T>> state() const {
    if (!duty_.state())
      throw config_error("this promise was moved from; use the one that it was moved to");
    return duty_.state();
  }

  detail::outcome_duty<T> duty_;
};

} // namespace bulkhead
