#pragma once

#include <bulkhead/detail/future_state.hpp>
#include <bulkhead/detail/held_state.hpp>
#include <bulkhead/outcome.hpp>

#include <coroutine>
#include <functional>
#include <memory>
#include <utility>

namespace bulkhead {

namespace detail {

/// What waits for futures of any type looks behind their fronts.
struct future_access {
  template <class Future>
  static std::shared_ptr<future_base> base(const Future& f) {
    f.state(); // throws where it is empty
    return f.state_;
  }
};

} // namespace detail

/// The outcome of a submitted task, now or later. Copies share it; it outlives its pool. All
/// calls are thread-safe on distinct copies. The destructor neither blocks nor cancels.
template <class T>
class future {
public:
  using value_type = T;

  future() noexcept = default;
  explicit future(std::shared_ptr<detail::future_state<T>> state) noexcept
    : state_(std::move(state)) {}

  /// False for a default-constructed or moved-from future; every other call on one throws
  /// config_error.
  bool valid() const noexcept { return state_ != nullptr; }

  bool ready() const { return state().ready(); }
  /// Ready and with a value.
  bool successful() const { return ready() && state().get().has_value(); }

  /// The task runs in a worker now; of a map, some of its items.
  bool running() const { return state().running(); }
  /// How far it is, 0 to 1: what the task said last by this_task::progress(), of a map the share of
  /// its items that have ended. 1 once it is ready.
  double progress() const { return state().progress(); }

  /// Waits until the task has its outcome. Inside the library nothing bounds the wait but the
  /// promise that every task ends.
  void wait() const { state().wait_until(detail::time_point::max()); }

  /// True when ready within `timeout`; a zero or negative one only looks.
  template <class Rep, class Period>
  bool wait(std::chrono::duration<Rep, Period> timeout) const {
    return state().wait_until(detail::deadline_after(detail::to_nanoseconds(timeout)));
  }

  /// The value, again and again. Throws the exception of the failure's kind.
  decltype(auto) get() const& {
    wait();
    return state().get().value();
  }
  /// As get(), but throws timeout_error when the wait ends first; the future stays usable.
  template <class Rep, class Period>
  decltype(auto) get(std::chrono::duration<Rep, Period> timeout) const& {
    expect_within(timeout);
    return state().get().value();
  }
  /// Moves the value out where this is the last copy, and always where it cannot be copied; the
  /// other copies of the future then throw config_error.
  T get() && {
    wait();
    return std::move(*this).release();
  }
  template <class Rep, class Period>
  T get(std::chrono::duration<Rep, Period> timeout) && {
    expect_within(timeout);
    return std::move(*this).release();
  }

  /// Of a vector of objects that travel as their bytes: waits, and copies the elements into memory
  /// of yours, without a vector in between. Returns how many. Throws as get() does, and
  /// config_error where `to` is too small; then nothing was copied, and the future stays usable.
  template <class V = T>
    requires detail::raw_sequence<V>
  std::size_t get_into(std::span<typename V::value_type> to) const {
    wait();
    return state().copy_to(to);
  }

  /// The outcome as a value; waits as get() does.
  const bulkhead::outcome<T>& outcome() const& {
    wait();
    return state().get();
  }
  /// The same for a future that goes away; moved out where this is the last copy.
  bulkhead::outcome<T> outcome() && {
    wait();
    const auto mine = std::move(state_);
    if constexpr (std::is_copy_constructible_v<bulkhead::outcome<T>>)
      if (mine.use_count() > 1)
        return mine->get();
    return mine->take();
  }

  /// True: the task never runs, its outcome is `cancelled`. False: not known to be stopped; the
  /// outcome tells. Bounded, never waits for the task.
  bool cancel() const { return state().cancel(false); }
  /// With `kill_running` a task that has started is asked to stop, and after the pool's grace its
  /// worker, and only that, is killed.
  bool cancel(bool kill_running) const { return state().cancel(kill_running); }

  /// Calls `f(const outcome<T>&)` once on the pool's callback thread, soon after the task ends.
  /// What `f` throws is reported to stderr and does not stop later callbacks.
  template <class F>
    requires std::is_invocable_v<F&, const bulkhead::outcome<T>&>
  void on_ready(F f) const {
    // Shared, because std::function copies and a callable need not.
    auto call = std::make_shared<F>(std::move(f));
    state().when_ready([state = state_, call = std::move(call)] { (*call)(state->get()); });
  }

  /// The future of f(value), or of f() where T is void; `f` runs once on the pool's callback
  /// thread. A failure is passed on without a call of `f`; what `f` throws becomes a
  /// task_exception. To cancel it cancels this future's task. Waiting for it in a callback throws
  /// config_error, since `f` runs after that callback.
  template <class F>
    requires detail::continues<F, T>
  auto then(F f) const {
    using result = detail::continued_t<F, T>;
    const auto& before = state();
    auto next = std::make_shared<detail::held_state<result>>(
      detail::make_follower_core(before.core()), state_);
    struct continuation {
      detail::outcome_duty<result> duty;
      std::shared_ptr<detail::future_state<T>> from;
      F call;
      void run() {
        if (duty.state()->begin())
          duty.state()->give(detail::continue_with<F, T>(call, from->get()));
      }
    };
    auto rest = std::make_shared<continuation>(
      continuation{detail::outcome_duty<result>{next}, state_, std::move(f)});
    state().when_ready([rest = std::move(rest)] { rest->run(); });
    return future<result>{std::move(next)};
  }

  /// Resumes the coroutine on the pool's callback thread.
  auto operator co_await() const {
    struct awaiter {
      future self;
      bool await_ready() const { return self.ready(); }
      void await_suspend(std::coroutine_handle<> h) const {
        self.state().when_ready([h] { h.resume(); });
      }
      T await_resume() { return std::move(self).get(); }
    };
    state();
    return awaiter{*this};
  }

  /// The task's number, as completions() tells it.
  std::uint64_t id() const { return state().id(); }

private:
  friend struct detail::future_access;

  detail::future_state<T>& state() const {
    if (!state_)
      throw config_error("this future is empty: it was default-constructed or moved from; use the "
                         "one that submit() returned");
    return *state_;
  }

  template <class Duration>
  void expect_within(Duration timeout) const {
    if (!wait(timeout))
      throw timeout_error("the task has no outcome yet: the wait ended first; the task goes on");
  }

  T release() && {
    auto mine = std::move(state_);
    if constexpr (std::is_void_v<T>)
      mine->get().value();
    else if constexpr (std::is_copy_constructible_v<T>) {
      if (mine.use_count() > 1)
        return mine->get().value();
      return std::move(*mine).take().value();
    } else
      return std::move(*mine).take().value();
  }

  std::shared_ptr<detail::future_state<T>> state_;
};

} // namespace bulkhead
