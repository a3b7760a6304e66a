#include "actors/caf/version.hpp"

#include "actors/caf/timer_list.hpp"

#include <bulkhead/actor.hpp>
#include <bulkhead/testing/deterministic.hpp>

#include <caf/actor_registry.hpp>
#include <caf/actor_system_config.hpp>
#include <caf/detail/actor_system_access.hpp>
#include <caf/event_based_actor.hpp>
#include <caf/scheduled_actor.hpp>
#include <caf/scheduler.hpp>
#include <caf/send.hpp>

#include <algorithm>
#include <deque>
#include <mutex>

namespace bulkhead::testing {

namespace {

class test_clock final : public caf::actor_clock {
public:
  using caf::actor_clock::schedule;

  time_point now() const noexcept override {
    std::lock_guard lock{mutex_};
    return now_;
  }
  caf::disposable schedule(time_point due, caf::action what) override {
    std::lock_guard lock{mutex_};
    timers_.add(due, what);
    return std::move(what).as_disposable();
  }
  std::size_t advance(std::chrono::nanoseconds time) {
    {
      std::lock_guard lock{mutex_};
      now_ += time;
    }
    std::size_t fired = 0;
    while (auto what = take()) {
      what.run();
      ++fired;
    }
    return fired;
  }
  void cancel_all() {
    std::lock_guard lock{mutex_};
    timers_.clear();
  }

private:
  caf::action take() {
    std::lock_guard lock{mutex_};
    return timers_.take(now_);
  }

  mutable std::mutex mutex_;
  time_point now_{std::chrono::seconds{1}};
  actors::timer_list timers_;
};

class test_scheduler final : public caf::scheduler {
public:
  void schedule(caf::resumable* job) override {
    std::lock_guard lock{mutex_};
    jobs_.push_back(job);
  }
  void delay(caf::resumable* job) override { schedule(job); }
  void start() override {}
  void stop() override {
    while (run_one()) {
    }
  }

  bool run_one() {
    if (auto* job = take(nullptr))
      return run(job), true;
    return false;
  }
  /// False: it is not ready.
  bool run_this(const caf::actor& actor) {
    auto* wanted = dynamic_cast<caf::resumable*>(caf::actor_cast<caf::abstract_actor*>(actor));
    if (auto* job = wanted == nullptr ? nullptr : take(wanted))
      return run(job), true;
    return false;
  }

private:
  caf::resumable* take(caf::resumable* wanted) {
    std::lock_guard lock{mutex_};
    auto i = wanted == nullptr ? jobs_.begin() : std::find(jobs_.begin(), jobs_.end(), wanted);
    if (i == jobs_.end())
      return nullptr;
    auto* job = *i;
    jobs_.erase(i);
    return job;
  }
  // One message; an actor with more of them goes on first, as with CAF's own test scheduler.
  void run(caf::resumable* job) {
    switch (job->resume(this, 1)) {
    case caf::resumable::resume_later: {
      std::lock_guard lock{mutex_};
      jobs_.push_front(job);
      break;
    }
    case caf::resumable::awaiting_message:
    case caf::resumable::done:
      caf::intrusive_ptr_release(job);
      break;
    case caf::resumable::shutdown_execution_unit:
      break;
    }
  }

  std::mutex mutex_;
  std::deque<caf::resumable*> jobs_;
};

} // namespace

struct deterministic::world {
  world() {
    configure(config);
    system = std::make_unique<caf::actor_system>(config, &world::set_up, this);
  }
  static void set_up(caf::actor_system& sys, caf::actor_system_config&, void* self) {
    auto& w = *static_cast<world*>(self);
    auto own_clock = std::make_unique<test_clock>();
    auto own_scheduler = std::make_unique<test_scheduler>();
    w.clock = own_clock.get();
    w.scheduler = own_scheduler.get();
    caf::detail::actor_system_access access{sys};
    access.clock(std::move(own_clock));
    access.scheduler(std::move(own_scheduler));
  }

  caf::actor_system_config config;
  test_clock* clock = nullptr;         // owned by the system
  test_scheduler* scheduler = nullptr; // owned by the system
  std::unique_ptr<caf::actor_system> system;
  std::vector<caf::weak_actor_ptr> roots;
};

deterministic::deterministic() : world_(std::make_unique<world>()) {}

deterministic::~deterministic() {
  world_->clock->cancel_all();
  for (auto& root : world_->roots)
    if (auto alive = root.lock())
      caf::anon_send_exit(caf::actor_cast<caf::actor>(alive), caf::exit_reason::kill);
  run();
  // Whoever is left has a thread of its own or holds itself; the system must not wait for it.
  if (world_->system->registry().running() != 0)
    world_->system->await_actors_before_shutdown(false);
}

caf::actor_system& deterministic::system() noexcept { return *world_->system; }

void deterministic::adopt(const caf::actor& actor) {
  world_->roots.push_back(
    caf::actor_cast<caf::weak_actor_ptr>(caf::actor_cast<caf::strong_actor_ptr>(actor)));
  world_->scheduler->run_this(actor);
}

std::size_t deterministic::run() {
  std::size_t ran = 0;
  while (run_one())
    ++ran;
  return ran;
}

bool deterministic::run_one() { return world_->scheduler->run_one(); }

std::size_t deterministic::advance(std::chrono::nanoseconds time) {
  return world_->clock->advance(time);
}

std::optional<deterministic::waiting> deterministic::next_for(const caf::actor& to) {
  auto* element = caf::actor_cast<caf::abstract_actor*>(to)->peek_at_next_mailbox_element();
  if (element == nullptr)
    return std::nullopt;
  return waiting{element->sender, element->payload};
}

void deterministic::run_next_of(const caf::actor& to) {
  if (!world_->scheduler->run_this(to))
    throw expectation_failed("the actor has a message and is not ready: it waits for a response");
}

std::string deterministic::text(const caf::message& msg) { return to_string(msg); }

void deterministic::fail(const std::string& what, const caf::message& msg) {
  throw expectation_failed(what + ' ' + text(msg));
}

probe::probe(deterministic& world)
  : received_(std::make_shared<std::vector<caf::message>>()),
    actor_(world.spawn([notes = received_](caf::event_based_actor*) -> caf::behavior {
      return {[notes](const caf::message& msg) -> caf::message {
        notes->push_back(msg);
        return caf::message{};
      }};
    })) {}

} // namespace bulkhead::testing
