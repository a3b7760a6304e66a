#include "runtime/pool/watchman.hpp"

#include "runtime/system/proc_stat.hpp"

#include <signal.h>

#include <algorithm>
#include <new>

// Looks at the clock for a pool: on the runtime thread, when its timer fires, under the pool's
// lock. What follows from the facts is decided by worker_watch; here the facts are gathered and the
// decision is carried out.
namespace bulkhead::runtime {

namespace {
/// The host itself was suspended or starved when a timer comes this late; then nobody is blamed.
constexpr std::chrono::milliseconds forgiven_lag{500};
} // namespace

void watchman::tick(std::uint64_t number) {
  const pool_turn turn{pool_, answers_};
  const auto due = pool_.ticks.begin(number);
  if (!due)
    return; // another timer has taken its place
  const auto now = clock::now();
  // First of all: a host that was suspended has learnt nothing of its workers in that time.
  forgive(now, now - *due);
  try {
    look_at_all(now);
  } catch (const std::bad_alloc&) { // a look that cannot act changes nothing
    pool_.ticks.retry_soon();
  }
  sender_.pump();
}

void watchman::forgive(time_point now, std::chrono::nanoseconds lag) noexcept {
  for (const auto& s : pool_.slots) {
    if (lag > pool_.options.unresponsive_after / 4)
      s->watch.forgive_beats(now);
    if (lag > forgiven_lag)
      s->watch.forgive({now, lag});
  }
}

void watchman::look_at_all(time_point now) {
  detail::drop_idle_memory();
  queue_.tick(now);
  workers_.shrink(now);
  sender_.tick(now);
  if (!pool_.waiting.led)
    answers_.drain_all();
  const auto slots = pool_.slots; // looks may remove some
  for (const auto& s : slots)
    look_at(*s, now);
}

void watchman::look_at(worker_slot& slot, time_point now) {
  // Results before looks: a worker is judged by what it has done, not by what the host happened to
  // read.
  if (facts_of(slot).holds_results)
    answers_.drain_unpublished(slot);
  slot.watch.begin_round();
  // One after the other with fresh facts, since each of them may change the worker. The end comes
  // first: who was killed is not killed for his age as well.
  one_look(slot, &worker_watch::look_at_end, now);
  if (!slot.watch.was_killed()) {
    one_look(slot, &worker_watch::look_at_age, now);
    look_at_memory(slot, now);
    one_look(slot, &worker_watch::look_at_start, now);
  }
  one_look(slot, &worker_watch::look_at_task, now);
  one_look(slot, &worker_watch::look_at_results, now);
  one_look(slot, &worker_watch::look_at_queue, now);
  one_look(slot, &worker_watch::look_at_beat, now);
  pool_.ticks.need(slot.watch.next_look());
}

// A worker that is given up, or found to lie, is not looked at any further.
void watchman::one_look(worker_slot& slot, look what, time_point now) {
  if (slot.gone() && !slot.watch.was_killed())
    return;
  const auto decision = (slot.watch.*what)(facts_of(slot), now);
  if (decision.action != watch_action::none)
    act(slot, decision);
}

void watchman::look_at_memory(worker_slot& slot, time_point now) {
  if (pool_.options.max_memory_per_worker == 0 || !slot.process || slot.gone())
    return;
  const auto resident = resident_bytes(slot.pid());
  const auto own = resident - std::min<std::uint64_t>(resident, slot.inherited_bytes);
  if (const auto decision = slot.watch.look_at_memory(facts_of(slot), own, now);
      decision.action != watch_action::none)
    act(slot, decision);
}

worker_facts watchman::facts_of(const worker_slot& slot) const noexcept {
  auto f = sender_.facts_of(slot);
  // What waits in lanes waits for one worker each: it keeps nobody else busy.
  f.others_idle = pool_.queue.units() == pool_.queue.in_lanes()
                  && std::any_of(pool_.slots.begin(), pool_.slots.end(),
                                 [&](const auto& s) { return s.get() != &slot && s->idle(); });
  return f;
}

void watchman::act(worker_slot& slot, const watch_decision& decision) {
  auto& flown = slot.link.flown();
  switch (decision.action) {
  case watch_action::none:
    return;
  case watch_action::retire:
    return sender_.retire(slot);
  case watch_action::ask_to_stop:
    return slot.link.request_task_stop(flown.next());
  case watch_action::end_for_task:
    slot.exceeded = decision.limit;
    return end_for_task(slot, decision.cause);
  case watch_action::kill:
    return kill(slot, decision.cause);
  case watch_action::give_up:
    return give_up(slot, decision.cause);
  case watch_action::pardon:
    slot.cancelled_task = false;
    return;
  case watch_action::take_back_behind:
    return sender_.recall(slot, flown.after(flown.next()));
  case watch_action::take_back_all:
    return sender_.recall(slot, flown.next());
  }
}

// A thread cannot be killed: it is left alone with its task.
void watchman::end_for_task(worker_slot& slot, exit_cause why) {
  answers_.drain_unpublished(slot); // what it has ready is no part of its end
  if (slot.gone() || !slot.busy())
    return;
  if (slot.process) {
    if (!strike(slot, why) && why == exit_cause::killed)
      slot.cancelled_task = false; // whoever runs there now is innocent
    return;
  }
  auto& flown = slot.link.flown();
  if (slot.asked == exit_cause::none)
    slot.asked = exit_cause::timed_out;
  slot.advance(worker_phase::draining);
  // Its other tasks move on; the one that runs gets its outcome now, and its thread is given up.
  if (const auto behind = flown.after(flown.next()); behind < make_position(flown.sent(), 0))
    sender_.recall(slot, behind);
  workers_.give_up(slot, {0, 0, exit_cause::timed_out}, true);
}

// Kills the worker for its running task and for no other: what lies behind it is taken back first,
// so it cannot start before the signal arrives. False: the task has just ended by itself.
bool watchman::strike(worker_slot& slot, exit_cause why) {
  auto& flown = slot.link.flown();
  const auto doomed = flown.next();
  sender_.recall(slot, flown.after(doomed));
  // seq_cst: as the look of a recall, which it follows.
  const auto claim = slot.link.worker_words().claim.load(std::memory_order_seq_cst);
  if (position_of(claim) != doomed) {
    answers_.drain(slot);
    return false;
  }
  sender_.kill(slot, why);
  return true;
}

void watchman::kill(worker_slot& slot, exit_cause why) {
  if (why == exit_cause::unresponsive && traced(slot.pid()))
    return slot.watch.forgive_beats(clock::now()); // it stands still for a debugger
  if (why == exit_cause::start_failed) {
    // The answer may lie in the ring unread: a late look must not end a worker that was in time.
    answers_.drain(slot); // it may have just said that it is ready
    if (slot.ready || slot.gone() || slot.asked != exit_cause::none)
      return;
  }
  auto& flown = slot.link.flown();
  if (why == exit_cause::unresponsive) {
    const auto front = flown.next();
    answers_.drain(slot); // a leader that was kept from its work may not have looked
    if (slot.gone())
      return;
    if (flown.next() != front)
      return slot.watch.forgive_beats(clock::now());
  }
  if (why != exit_cause::none)
    sender_.recall(slot, flown.next()); // while it leaves its stack it begins nothing more
  sender_.kill(slot, why == exit_cause::none ? slot.leaving : why);
}

void watchman::give_up(worker_slot& slot, exit_cause why) {
  if (why != exit_cause::start_failed) // uninterruptible in the kernel
    return workers_.give_up(slot, {0, SIGKILL, slot.asked}, !slot.failed_to_start());
  answers_.drain(slot);
  if (slot.ready || slot.gone() || slot.asked != exit_cause::none)
    return;
  slot.asked = exit_cause::start_failed;
  sender_.recall(slot, slot.link.flown().next());
  workers_.give_up(slot, {0, 0, exit_cause::start_failed}, false);
}

} // namespace bulkhead::runtime
