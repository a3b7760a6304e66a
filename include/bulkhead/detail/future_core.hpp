#pragma once

#include <bulkhead/detail/duration.hpp>

#include <atomic>
#include <cstdint>
#include <functional>
#include <list>
#include <memory>
#include <optional>

namespace bulkhead::detail {

class event_latch;
class future_base;
class task_sink;

/// Who serves the waiters and the callbacks of futures: a pool, or for promises and what follows
/// another future something smaller. All calls are thread-safe.
class future_core {
public:
  future_core() noexcept;
  future_core(const future_core&) = delete;
  future_core& operator=(const future_core&) = delete;
  virtual ~future_core() = default;

  /// Whether it was made in this process, and not copied into it by a fork().
  bool is_of_own_process() const noexcept;
  /// Throws config_error where it was.
  void require_own_process() const;

  /// Sleeps until the latch is set, serving its pool meanwhile. True when it is set.
  virtual bool wait(event_latch& latch, time_point deadline) = 0;

  virtual bool cancel(future_base& f, bool kill_running) = 0;

  /// How far the item of this sink is that runs now, 0 to 1; empty where none runs.
  virtual std::optional<double> running(const task_sink& sink) = 0;

  /// Starts the callback thread, so that call_back_locked needs nothing. Throws std::system_error.
  virtual void expect_callbacks() = 0;
  /// Queues user code for the callback thread.
  virtual void call_back(std::function<void()> f) = 0;
  /// The same for whoever may hold the pool's lock: sinks.
  virtual void call_back_locked(std::list<std::function<void()>>&& calls) noexcept = 0;
  /// True in a callback: who waits there for another callback waits in vain.
  virtual bool on_callback_thread() const noexcept = 0;

  /// Somebody has asked for the outcome of the task `id` for the first time. Of most tasks nobody
  /// wants to hear it.
  void tell_taken(std::uint64_t id) noexcept {
    if (hears_takes_.load(std::memory_order_relaxed)) // a hint
      hear_taken(id);
  }

protected:
  void want_takes(bool on) noexcept {
    hears_takes_.store(on, std::memory_order_relaxed); // a hint: one may be missed, or come late
  }
  virtual void hear_taken(std::uint64_t) noexcept {}

private:
  const std::uint64_t made_in_; ///< identity of the process
  std::atomic<bool> hears_takes_{false};
};

/// For promises: callbacks run on a thread of its own, which exists from the first callback on.
std::shared_ptr<future_core> make_promise_core();

/// For what `source`'s callbacks bring about.
std::shared_ptr<future_core> make_follower_core(std::shared_ptr<future_core> source);

} // namespace bulkhead::detail
