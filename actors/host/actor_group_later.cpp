#include "actors/caf/proxy.hpp"
#include "actors/caf/verbs.hpp"
#include "actors/host/actor_group.hpp"
#include "actors/host/own_worker_guard.hpp"
#include "actors/host/thrown_text.hpp"

#include <bulkhead/actor.hpp>
#include <bulkhead/error.hpp>

#include <atomic>
#include <exception>
#include <utility>

// Starts that nobody waits for: a supervisor's.

namespace bulkhead::actors {

namespace {

failure late_start(std::chrono::nanoseconds patience) {
  const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(patience).count();
  failure f;
  f.kind = failure_kind::timeout;
  f.message = "it did not start within " + std::to_string(ms)
              + " ms and its worker is killed: its constructor, or its behaviour's first run, does "
                "not end, or another actor keeps that worker busy";
  return f;
}

/// Within a catch block.
failure thrown_failure() {
  try {
    throw;
  } catch (const error& e) {
    return e.info();
  } catch (...) {
    failure f;
    f.kind = failure_kind::rejected;
    f.message = thrown_text();
    return f;
  }
}

/// Ends a start that takes too long. The first of answer and deadline counts.
struct start_watch {
  std::atomic<bool> decided = false;
  std::atomic<std::uint64_t> timer = 0;

  // acq_rel: one of the two callers sees the other's, and nothing else is told by it.
  bool decide() noexcept { return !decided.exchange(true, std::memory_order_acq_rel); }
};

} // namespace

void actor_group::spawn_later(order what, spawn_handler done) {
  check(what.where, what.how);
  auto shared = std::make_shared<order>(std::move(what));
  hub_->launch_later([weak = weak_from_this(), shared, done = std::move(done)] {
    if (auto self = weak.lock()) {
      self->begin(shared, done);
      return;
    }
    failure f;
    f.kind = failure_kind::pool_closed;
    f.message = "the pool has ended: it starts no more actors";
    done(nullptr, f);
  });
}

// `living` counts the actors that one worker has asked for, so that none fills the others.
void actor_group::spawn_beside(const std::shared_ptr<std::atomic<std::size_t>>& living,
                               const std::string& behavior, const caf::message& args,
                               const name_desk::spawn_done& done) {
  constexpr std::size_t most_of_worker = 4096;
  // relaxed, here and below: a bound, which orders nothing
  if (living->fetch_add(1, std::memory_order_relaxed) >= most_of_worker) {
    living->fetch_sub(1, std::memory_order_relaxed); // see above
    done(nullptr, "spawn_beside: actors of this worker have started "
                    + std::to_string(most_of_worker) + " that live, which is the limit");
    return;
  }
  const auto gone = [living] { living->fetch_sub(1, std::memory_order_relaxed); }; // see above
  try {
    const auto what = detail::find_behavior(behavior);
    actor_options how;
    how.name = behavior;
    order wanted{
      {what.stub, what.behavior, args}, {}, how, {}}; // GCC 12 loses sight of a temporary
    spawn_later(std::move(wanted),
                [gone, done](const caf::strong_actor_ptr& actor, const failure& why) {
                  if (actor)
                    at_exit(actor, [gone](const caf::error&) { gone(); });
                  else
                    gone();
                  done(actor, why.message);
                });
  } catch (const std::exception& e) {
    gone();
    done(nullptr, e.what());
  }
}

// On the hub's launch thread: to start a process may take a while.
void actor_group::begin(const std::shared_ptr<order>& what, const spawn_handler& done) {
  auto watch = std::make_shared<start_watch>();
  const auto answer = [watch, thread = hub_->thread(), done](const caf::strong_actor_ptr& actor,
                                                             const failure& why) {
    if (!watch->decide()) {
      // The deadline has told the failure already, so nobody will ever have this handle.
      if (actor)
        send_exit(actor, caf::exit_reason::kill);
      return;
    }
    // relaxed: where it is not seen yet, the timer finds that all is decided
    thread->retract(watch->timer.load(std::memory_order_relaxed));
    done(actor, why);
  };
  try {
    auto process = choose(what->where, what->how, {});
    const auto own = what->where.where == placement::kind::own ? process : nullptr;
    own_worker_guard guard{own};
    // The timer is set before the request goes out: the answer may come at once and has to find
    // what it retracts.
    const auto patience = start_patience_of(what->how);
    const auto deadline = actor_process::clock::now() + patience;
    watch->timer =
      hub_->thread()->at(deadline, [watch, done, patience, weak = std::weak_ptr{process}] {
        if (!watch->decide())
          return;
        if (auto p = weak.lock())
          p->kill(exit_cause::neighbour_killed); // first: it takes no more actors
        done(nullptr, late_start(patience));
      });
    process->spawn(what->request, [answer, what, process, own, weak = weak_from_this()](
                                    const caf::strong_actor_ptr& actor, const failure& why) {
      // A worker of its own whose actor was refused is ended with this callback.
      own_worker_guard unused{actor ? nullptr : own};
      if (auto self = weak.lock(); self && actor)
        self->settle(process, actor, *what);
      answer(actor, why);
    });
    guard.keep();
  } catch (...) {
    answer(nullptr, thrown_failure());
  }
}

} // namespace bulkhead::actors
