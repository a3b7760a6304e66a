#pragma once

#include "actors/caf/worker_system.hpp"

#include <atomic>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <utility>

namespace caf {
class resumable;
}

namespace bulkhead::actors {

/// The ready queue of an inline scheduler: a plain deque for the loop thread, a locked one with a
/// wake-up for everybody else. Each entry owns one reference of its resumable.
class ready_queue {
public:
  void adopt_thread() noexcept { owner_ = std::this_thread::get_id(); }
  bool in_loop() const noexcept { return std::this_thread::get_id() == owner_; }
  void on_wake(std::function<void()> wake) { wake_ = std::move(wake); }
  void wake() {
    if (wake_)
      wake_();
  }

  void push(caf::resumable* job);
  /// Loop thread only; null where nothing is ready.
  caf::resumable* pop();
  /// Those that other threads have pushed since the last pop count as one.
  std::size_t size() const noexcept;

private:
  std::thread::id owner_ = std::this_thread::get_id();
  std::function<void()> wake_;
  std::deque<caf::resumable*> local_;
  std::mutex mutex_;
  std::deque<caf::resumable*> foreign_;
  std::atomic<bool> any_foreign_ = false; ///< written with the lock
};

/// While one lives in a thread, the thread runs an actor of a loop, and with it all others of the
/// process: whoever waits for an answer here would wait for ever. A blocking actor of CAF that
/// would wait without a limit throws std::runtime_error instead.
class running_scope {
public:
  running_scope() noexcept : before_(std::exchange(active(), true)) {}
  ~running_scope() { active() = before_; }
  running_scope(const running_scope&) = delete;
  running_scope& operator=(const running_scope&) = delete;

  static bool& active() noexcept;

private:
  const bool before_;
};

/// The answer to a request of a blocking actor in such a thread. `sent`: the request is on its way.
caf::error refusal_to_block(bool sent);

/// What the two engines implement.
class worker_system::core {
public:
  virtual ~core() = default;
  virtual void start() = 0;
  virtual exec_ctx* context() noexcept = 0;
  virtual std::size_t run_ready(std::size_t budget) = 0;
  virtual std::size_t ready() noexcept = 0;
  virtual bool next_deadline(time_point& due) = 0;
  virtual std::size_t fire_timers() = 0;
  virtual void on_wake(std::function<void()> wake) = 0;

  caf::actor_system_config config;
  std::unique_ptr<caf::actor_system> system;
  bool stopped = false;

  static std::unique_ptr<core> make(engine kind);
  static std::unique_ptr<core> make_in_loop();
};

/// Stands in for CAF's blocking printer actor, which would need a thread: writes whole lines. CAF's
/// default handler for unexpected messages prints too, so a system without a printer crashes.
caf::behavior loop_printer(caf::event_based_actor* self);

} // namespace bulkhead::actors
