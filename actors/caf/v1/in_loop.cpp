#include "actors/caf/in_loop.hpp"

#include "actors/caf/worker_system.hpp"

#include "actors/caf/timer_list.hpp"
#include "actors/caf/turn.hpp"

#include <caf/actor_cast.hpp>
#include <caf/detail/actor_system_access.hpp>
#include <caf/event_based_actor.hpp>
#include <caf/resumable.hpp>
#include <caf/scheduler.hpp>

namespace bulkhead::actors {

namespace {

/// CAF's timers without a dispatch thread: the loop triggers them. A timer set from another thread
/// wakes the loop, which may sleep until a later one.
class loop_clock final : public caf::actor_clock {
public:
  using caf::actor_clock::schedule;

  explicit loop_clock(ready_queue& queue) : queue_(queue) {}

  caf::disposable schedule(time_point due, caf::action what) override {
    {
      std::lock_guard lock{mutex_};
      timers_.add(due, what);
    }
    if (!queue_.in_loop())
      queue_.wake();
    return std::move(what).as_disposable();
  }

  bool next(time_point& due) {
    std::lock_guard lock{mutex_};
    const auto first = timers_.next();
    if (first)
      due = *first;
    return first.has_value();
  }

  std::size_t fire() {
    std::size_t fired = 0;
    const auto until = now();
    while (auto what = take(until)) {
      what.run();
      ++fired;
    }
    return fired;
  }

private:
  caf::action take(time_point until) {
    std::lock_guard lock{mutex_};
    return timers_.take(until);
  }

  std::mutex mutex_;
  timer_list timers_;
  ready_queue& queue_;
};

class loop_scheduler final : public caf::scheduler {
public:
  loop_scheduler(caf::actor_system& sys, ready_queue& queue, turn_listener* listener)
    : system_(sys), queue_(queue), listener_(listener) {}

  void schedule(caf::resumable* job) override { queue_.push(job); }
  void delay(caf::resumable* job) override { queue_.push(job); }

  // The first moment at which the system can have actors, and the last before it makes a printer.
  void start() override {
    auto printer = system_.spawn<caf::hidden + caf::lazy_init>(loop_printer);
    caf::detail::actor_system_access{system_}.printer(
      caf::actor_cast<caf::strong_actor_ptr>(std::move(printer)));
  }

  // CAF has told its own actors to end; they do it here.
  void stop() override { run(static_cast<std::size_t>(-1)); }

  std::size_t run(std::size_t budget) {
    std::size_t ran = 0;
    while (ran < budget) {
      auto* job = queue_.pop();
      if (job == nullptr)
        break;
      ++ran;
      run_once(job);
    }
    return ran;
  }

private:
  // One message a turn, so that no actor keeps the others, timers and frames waiting.
  void run_once(caf::resumable* job) {
    running_scope here;
    switch (run_turn(job, listener_, [&] { return job->resume(this, 1); })) {
    case caf::resumable::resume_later:
      queue_.push(job);
      break;
    case caf::resumable::awaiting_message:
    case caf::resumable::done:
      caf::intrusive_ptr_release(job);
      break;
    case caf::resumable::shutdown_execution_unit:
      break;
    }
  }

  caf::actor_system& system_;
  ready_queue& queue_;
  turn_listener* const listener_;
};

class in_loop_core final : public worker_core {
public:
  ~in_loop_core() override { system.reset(); }

  void start() override {
    queue_.adopt_thread();
    load_host(config, node);
    system = std::make_unique<caf::actor_system>(config, &in_loop_core::set_up, this);
  }
  exec_ctx* context() noexcept override { return scheduler_; }
  std::size_t run_ready(std::size_t budget) override { return scheduler_->run(budget); }
  std::size_t ready() noexcept override { return queue_.size(); }
  bool next_deadline(time_point& due) override { return clock_->next(due); }
  std::size_t fire_timers() override { return clock_->fire(); }
  void on_wake(std::function<void()> wake) override { queue_.on_wake(std::move(wake)); }
  void listen(turn_listener* listener) noexcept override { listener_ = listener; }

private:
  static void set_up(caf::actor_system& sys, caf::actor_system_config&, void* self) {
    auto& core = *static_cast<in_loop_core*>(self);
    auto clock = std::make_unique<loop_clock>(core.queue_);
    auto scheduler = std::make_unique<loop_scheduler>(sys, core.queue_, core.listener_);
    core.clock_ = clock.get();
    core.scheduler_ = scheduler.get();
    caf::detail::actor_system_access access{sys};
    access.clock(std::move(clock));
    access.scheduler(std::move(scheduler));
  }

  ready_queue queue_;
  turn_listener* listener_ = nullptr;
  loop_clock* clock_ = nullptr;         // owned by the system
  loop_scheduler* scheduler_ = nullptr; // owned by the system
};

} // namespace

std::unique_ptr<worker_core> worker_core::make_in_loop() {
  return std::make_unique<in_loop_core>();
}

} // namespace bulkhead::actors
