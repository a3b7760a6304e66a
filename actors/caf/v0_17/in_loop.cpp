#include "actors/caf/in_loop.hpp"

#include "actors/caf/failure_error.hpp"
#include "actors/caf/turn.hpp"
#include "actors/caf/v0_17/private_member.hpp"
#include "actors/caf/worker_system.hpp"
#include "runtime/outcome/failure_wire.hpp"

#include <caf/abstract_actor.hpp>
#include <caf/detail/simple_actor_clock.hpp>
#include <caf/event_based_actor.hpp>
#include <caf/resumable.hpp>
#include <caf/scheduler/abstract_coordinator.hpp>
#include <caf/send.hpp>

#include <exception>

namespace bulkhead::actors {

namespace {

using exception_handler = caf::error (*)(caf::scheduled_actor*, std::exception_ptr&);

/// As CAF's own handler, which tells the log and gives an error without a word; this one says in
/// the error what was thrown.
caf::error tell_exception(caf::scheduled_actor* actor, std::exception_ptr& thrown) {
  caf::scheduled_actor::default_exception_handler(actor, thrown);
  try {
    std::rethrow_exception(thrown);
  } catch (...) {
    return to_error(runtime::describe_current_exception());
  }
}

/// For an actor that is about to run for the first time and has no handler of its user's.
void hear_exceptions(caf::resumable* job) {
  if (job->subtype() != caf::resumable::scheduled_actor)
    return;
  auto& actor = *static_cast<caf::scheduled_actor*>(job);
  if (actor.getf(caf::abstract_actor::is_initialized_flag))
    return;
  auto& handler = detail_0_17::handler_of(actor);
  const auto* function = handler.target<exception_handler>();
  if (function != nullptr && *function == caf::scheduled_actor::default_exception_handler)
    handler = tell_exception;
}

/// CAF's timers without a dispatch thread: the loop triggers them. A timer set from another thread
/// wakes the loop, which may sleep until a later one.
class loop_clock final : public caf::detail::simple_actor_clock {
public:
  using super = caf::detail::simple_actor_clock;

  explicit loop_clock(ready_queue& queue) : queue_(queue) {}

  void set_ordinary_timeout(time_point t, caf::abstract_actor* self, caf::atom_value type,
                            std::uint64_t id) override {
    change([&] { super::set_ordinary_timeout(t, self, type, id); });
  }
  void set_multi_timeout(time_point t, caf::abstract_actor* self, caf::atom_value type,
                         std::uint64_t id) override {
    change([&] { super::set_multi_timeout(t, self, type, id); });
  }
  void set_request_timeout(time_point t, caf::abstract_actor* self, caf::message_id id) override {
    // A scoped_actor inside a behaviour: CAF asks for the time-out just before it waits.
    if (running_scope::active() && self->getf(caf::abstract_actor::is_blocking_flag))
      self->enqueue(nullptr, id, caf::make_message(refusal_to_block(true)), nullptr);
    else
      change([&] { super::set_request_timeout(t, self, id); });
  }
  void cancel_ordinary_timeout(caf::abstract_actor* self, caf::atom_value type) override {
    std::lock_guard lock{mutex_};
    super::cancel_ordinary_timeout(self, type);
  }
  void cancel_request_timeout(caf::abstract_actor* self, caf::message_id id) override {
    std::lock_guard lock{mutex_};
    super::cancel_request_timeout(self, id);
  }
  void cancel_timeouts(caf::abstract_actor* self) override {
    std::lock_guard lock{mutex_};
    super::cancel_timeouts(self);
  }
  void schedule_message(time_point t, caf::strong_actor_ptr receiver,
                        caf::mailbox_element_ptr content) override {
    change([&] { super::schedule_message(t, std::move(receiver), std::move(content)); });
  }
  void schedule_message(time_point t, caf::group target, caf::strong_actor_ptr sender,
                        caf::message content) override {
    change([&] {
      super::schedule_message(t, std::move(target), std::move(sender), std::move(content));
    });
  }
  void cancel_all() override {
    std::lock_guard lock{mutex_};
    super::cancel_all();
  }

  bool next(time_point& due) {
    std::lock_guard lock{mutex_};
    if (schedule().empty())
      return false;
    due = schedule().begin()->first;
    return true;
  }

  std::size_t fire() {
    std::lock_guard lock{mutex_};
    return schedule().empty() ? 0 : trigger_expired_timeouts();
  }

private:
  template <class F>
  void change(F f) {
    {
      std::lock_guard lock{mutex_};
      f();
    }
    // The loop looks at its timers before it sleeps; only another thread has to wake it.
    if (!queue_.in_loop())
      queue_.wake();
  }

  // Recursive: a timer that fires may set another one.
  std::recursive_mutex mutex_;
  ready_queue& queue_;
};

class loop_scheduler final : public caf::scheduler::abstract_coordinator {
public:
  using super = caf::scheduler::abstract_coordinator;

  class unit final : public caf::execution_unit {
  public:
    unit(caf::actor_system& sys, ready_queue& queue) : execution_unit(&sys), queue_(queue) {}
    void exec_later(caf::resumable* job) override { queue_.push(job); }

  private:
    ready_queue& queue_;
  };

  loop_scheduler(caf::actor_system& sys, ready_queue& queue, turn_listener* listener)
    : super(sys), queue_(queue), listener_(listener), clock_(queue), unit_(sys, queue) {}

  void enqueue(caf::resumable* job) override { queue_.push(job); }
  bool detaches_utility_actors() const override { return false; }
  loop_clock& clock() noexcept override { return clock_; }
  caf::execution_unit& context() noexcept { return unit_; }

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

protected:
  void start() override {
    utility_actors_[printer_id] = system().spawn<caf::hidden + caf::lazy_init>(loop_printer);
  }

  // CAF's own stop_actors() blocks in the thread that would have to run them.
  void stop() override {
    for (auto& actor : utility_actors_)
      caf::anon_send_exit(actor, caf::exit_reason::user_shutdown);
    run(static_cast<std::size_t>(-1));
    for (auto& actor : utility_actors_)
      actor = nullptr;
  }

private:
  // One message a turn, so that no actor keeps the others, timers and frames waiting.
  void run_once(caf::resumable* job) {
    running_scope here;
    hear_exceptions(job);
    switch (run_turn(job, listener_, [&] { return job->resume(&unit_, 1); })) {
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

  ready_queue& queue_;
  turn_listener* const listener_;
  loop_clock clock_;
  unit unit_;
};

class in_loop_core final : public worker_core {
public:
  ~in_loop_core() override { system.reset(); }

  void start() override {
    queue_.adopt_thread();
    load_host(config, node);
    config.module_factories.push_back([this](caf::actor_system& sys) {
      scheduler_ = new loop_scheduler(sys, queue_, listener_);
      return scheduler_;
    });
    system = std::make_unique<caf::actor_system>(config);
  }
  exec_ctx* context() noexcept override { return &scheduler_->context(); }
  std::size_t run_ready(std::size_t budget) override { return scheduler_->run(budget); }
  std::size_t ready() noexcept override { return queue_.size(); }
  bool next_deadline(time_point& due) override { return scheduler_->clock().next(due); }
  std::size_t fire_timers() override { return scheduler_->clock().fire(); }
  void on_wake(std::function<void()> wake) override { queue_.on_wake(std::move(wake)); }
  void listen(turn_listener* listener) noexcept override { listener_ = listener; }

private:
  ready_queue queue_;
  turn_listener* listener_ = nullptr;
  loop_scheduler* scheduler_ = nullptr; // owned by the system
};

} // namespace

std::unique_ptr<worker_core> worker_core::make_in_loop() {
  return std::make_unique<in_loop_core>();
}

} // namespace bulkhead::actors
