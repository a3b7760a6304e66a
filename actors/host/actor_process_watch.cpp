#include "actors/host/actor_process.hpp"

#include "actors/caf/failure_error.hpp"
#include "actors/caf/proxy.hpp"
#include "actors/caf/verbs.hpp"
#include "runtime/system/proc_stat.hpp"

#include <algorithm>

// When a worker's actors are looked at, and whom a broken limit ends. The runtime thread looks;
// users' threads condemn and label. The rule is `watched_`, a plain value under the mutex; the
// words it is fed with are the worker's own and may lie, which harms that worker alone.
namespace bulkhead::actors {

// The worker's words of a turn belong together where the number of the turn did not move meanwhile.
// The fence keeps the second look at it behind the words.
runtime::turn_facts actor_process::facts() const {
  runtime::turn_facts f;
  const auto& words = io_->peer_words();
  f.beat = io_->peer_beat();
  f.turn = words.turn.load(std::memory_order_acquire);
  const auto actor = words.running.load(std::memory_order_relaxed);
  const std::chrono::nanoseconds since{
    static_cast<std::int64_t>(words.since.load(std::memory_order_relaxed))};
  // relaxed: they only say whether somebody is being started, and move within a turn's words
  const bool starts =
    words.starting.load(std::memory_order_relaxed) != words.started.load(std::memory_order_relaxed);
  std::atomic_thread_fence(std::memory_order_acquire);
  f.runs = f.turn % 2 == 1 && words.turn.load(std::memory_order_relaxed) == f.turn;
  f.actor = f.runs && !starts ? actor : 0;
  // A time before the birth would be a limit that was broken at once, one in the future a limit
  // that never comes.
  f.since = std::clamp(clock::time_point{since}, born_, clock::now());
  if (measures_memory_) {
    f.resident_bytes = runtime::resident_bytes(pid());
    f.inherited_bytes = std::min<std::size_t>(
      f.resident_bytes, words.inherited.load(std::memory_order_relaxed)); // relaxed: long written
  }
  return f;
}

actor_process::busy_fact actor_process::busy_with() const {
  const auto f = facts();
  return f.actor != 0 ? busy_fact{f.actor, f.since} : busy_fact{0, clock::now()};
}

bool actor_process::admits() const {
  const std::lock_guard lock{mutex_};
  return !asked() && !link_->dead() && !watched_.retired(clock::now());
}

void actor_process::look_soon() {
  const std::lock_guard lock{mutex_};
  plan_look(clock::now());
}

// With the lock. An earlier look takes the place of a later one.
void actor_process::plan_look(clock::time_point at) {
  if (at >= next_look_)
    return;
  next_look_ = at;
  hub_->thread()->at(at, [weak = weak_from_this(), number = ++look_number_] {
    if (auto self = weak.lock())
      self->look(number);
  });
}

void actor_process::look(std::uint64_t number) {
  if (link_->dead())
    return;
  auto verdict = exit_cause::none;
  bool leaves = false;
  {
    const std::lock_guard lock{mutex_};
    // A timer whose look was replaced by an earlier one still fires, and does nothing.
    if (number != look_number_ || asked())
      return;
    next_look_ = clock::time_point::max();
    const auto now = clock::now();
    auto known = facts();
    known.ready = ready_;
    auto seen = watched_.look(known, now);
    verdict = seen.kill;
    why_ended_ = std::move(seen.why);
    leaves = watched_.retired(now) && waiting_.empty()
             && io_->peer_words().actors.load(std::memory_order_relaxed) == 0; // a hint: see below
    if (verdict == exit_cause::none && !leaves)
      plan_look(seen.look_again);
  }
  // Without the mutex, which both of them take.
  if (verdict != exit_cause::none)
    kill(verdict);
  else if (leaves) // an actor that begins now gets its exit message and the grace
    stop(exit_cause::recycled, grace_);
}

// Who is known to have ended is left alone, also while the others who wait for that are being told.
void actor_process::end_actor(const caf::strong_actor_ptr& actor, std::chrono::nanoseconds grace) {
  if (proxy_base::terminated(actor->get()))
    return;
  const auto id = actor->id();
  bool fresh = false;
  {
    const std::lock_guard lock{mutex_};
    const auto at = clock::now() + grace;
    fresh = watched_.condemn(id, at);
    plan_look(at);
  }
  // Somebody condemned it before. The earlier deadline stands, and it has its exit message.
  if (!fresh)
    return;
  at_exit(actor, [weak = weak_from_this(), id](const caf::error&) {
    if (auto self = weak.lock())
      self->actor_ended(id);
  });
  // The deadline was noted before the message goes: where the worker hangs, that alone ends it.
  no_wait_scope at_once; // the queue towards a worker that hangs may be full
  send_exit(actor, caf::exit_reason::kill);
}

void actor_process::settle(const caf::strong_actor_ptr& actor, const actor_options& how,
                           const supervised_by& whom) {
  const bool labelled = !how.name.empty() || !whom.supervisor.empty();
  if (!labelled && how.message_timeout.count() == 0)
    return;
  const auto id = actor->id();
  {
    const std::lock_guard lock{mutex_};
    if (labelled)
      labels_[id] = {how.name, whom};
    if (how.message_timeout.count() != 0) {
      watched_.limit(id, how.message_timeout);
      plan_look(clock::now());
    }
  }
  at_exit(actor, [weak = weak_from_this(), id](const caf::error&) {
    if (auto self = weak.lock())
      self->actor_ended(id);
  });
}

void actor_process::actor_ended(caf::actor_id id) {
  const std::lock_guard lock{mutex_};
  watched_.ended(id);
  labels_.erase(id);
}

// Its neighbours have not exceeded anything.
process_end actor_process::end_of(failure& f) {
  const std::lock_guard lock{mutex_};
  if (watched_.ended_by() == exit_cause::none || watched_.ended_by() != f.exit.cause)
    return to_error(f);
  f.message += " (" + why_ended_ + ')';
  process_end end{to_error(f)};
  end.culprits = watched_.culprits();
  auto other = f;
  other.exit.cause = exit_cause::neighbour_killed;
  other.message = death_of(f.worker, other.exit, true).message + " (" + why_ended_ + ')';
  end.of_neighbours = to_error(other);
  return end;
}

} // namespace bulkhead::actors
