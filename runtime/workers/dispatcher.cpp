#include "runtime/workers/dispatcher.hpp"

#include "runtime/crash/crash_recorder.hpp"
#include "runtime/outcome/failure_of.hpp"

#include <signal.h>

#include <algorithm>
#include <new>
#include <utility>

// From the queue to a worker. What comes back is in take_back.cpp.
namespace bulkhead::runtime {

namespace {

/// How long a task may be refused by a system without memory or descriptors before that is its
/// outcome.
constexpr std::chrono::seconds longest_refusal{5};

/// How many items wait in this worker's ring for something that takes long: a running task, or the
/// worker's own start.
std::size_t may_move_on(const worker_slot& slot) noexcept {
  if (slot.gone() || !slot.busy())
    return 0;
  const auto& flown = slot.link.flown();
  if (!slot.ready)
    return flown.may_publish() ? flown.items_behind() + 1 : 0;
  return flown.items_behind();
}

} // namespace

void dispatcher::pump() noexcept try {
  end_lost();
  while (!pool_.queue.empty() && pump_one()) {
  }
  stop_idle_workers();
  plan_for_idle();
  hedge();
} catch (const std::bad_alloc&) { // nothing else may ever pump again
  pool_.ticks.retry_soon();
}

bool dispatcher::pump_one() {
  keep_lanes();
  worker_slot* slot = nullptr;
  auto* next = pool_.queue.first([&](const unit& u) {
    pool_is_locked();
    slot = choose(u);
    return slot != nullptr;
  });
  // Nobody has room for any of them: the next answer, start or death pumps again.
  if (next == nullptr)
    return false;
  auto u = queue_.take(*next);
  if (send_to(*slot, u))
    return true;
  // One refusal ends the round: what this unit lacked the next would lack, too.
  put_off(std::move(u));
  return false;
}

// Keys have other owners where other workers serve.
void dispatcher::keep_lanes() noexcept {
  if (pool_.options.dispatch != dispatch_policy::key_hash || pool_.queue.in_lanes() == 0)
    return;
  std::uint64_t staff = 14695981039346656037U; // FNV-1a over the ids
  for (const auto& s : pool_.slots)
    if (s->serves())
      staff = (staff ^ s->id) * 1099511628211U;
  if (std::exchange(lanes_of_, staff) != staff)
    pool_.queue.sort_lanes([this](const unit& u) {
      pool_is_locked();
      return pool_.lane_of(u);
    });
}

// No memory, no descriptor or a full socket: that may pass, or not.
void dispatcher::put_off(std::unique_ptr<unit> u) noexcept {
  const auto now = clock::now();
  if (u->refused_since == time_point{})
    u->refused_since = now;
  if (now - u->refused_since < longest_refusal)
    queue_.enqueue(std::move(u), true);
  else
    ends_.fail_all(std::move(u),
                   failure_of(failure_kind::rejected,
                              "the system refuses memory or descriptors for the arguments"),
                   task_place::waiting);
  pool_.ticks.retry_soon(); // nothing else may ever pump again
}

worker_slot* dispatcher::choose(const unit& u) {
  const auto slot = [this](std::size_t i) -> worker_slot& {
    pool_is_locked();
    return *pool_.slots[i];
  };
  const auto fits = [&](std::size_t i) {
    pool_is_locked();
    return has_room(slot(i), u);
  };
  const auto count = pool_.slots.size();
  const auto lane = pool_.lane_of(u);
  auto* only = lane == backlog::any_worker ? nullptr : pool_.find_slot(lane);
  if (lane == backlog::any_worker) {
    // A worker that still starts gets only what no other can take: its initializer may last.
    const auto at = pool_.picks.pick(count, fits, [&](std::size_t i) {
      return slot(i).link.frames_in_flight() + (slot(i).ready ? 0 : window::largest);
    });
    return at == nobody ? nullptr : &slot(at);
  }
  return only != nullptr && has_room(*only, u) ? only : nullptr;
}

bool dispatcher::has_room(const worker_slot& slot, const unit& u) const noexcept {
  if (queue_.may_grow(u) && slot.unanswered() >= pool_.gather.ahead())
    return false;
  // What is meant for this worker alone may still follow while it drains.
  const bool takes = u.pinned_worker != 0 ? slot.phase() <= worker_phase::draining : slot.serves();
  const auto& ahead = pool_.options.prefetch;
  const auto most = ahead && *ahead < window::largest ? std::min(slot.frames.size(), *ahead + 1)
                                                      : slot.frames.size();
  return takes && slot.link.frames_in_flight() < most && !is_used_up(slot)
         && slot.link.has_room(u.bytes());
}

bool dispatcher::is_used_up(const worker_slot& slot) const noexcept {
  const auto most = pool_.options.max_tasks_per_worker;
  return slot.link.is_used_up() || (most != 0 && slot.dispatched >= most);
}

// What is more than `items` goes back into the queue. False: no memory, and nothing has changed.
bool dispatcher::cut_to_fit(unit& u, std::size_t items) noexcept try {
  if (items < u.items)
    queue_.enqueue(split(u, static_cast<std::uint32_t>(items)), true);
  return true;
} catch (const std::bad_alloc&) {
  return false;
}

bool dispatcher::send_to(worker_slot& slot, std::unique_ptr<unit>& u) noexcept {
  const auto most = pool_.options.max_tasks_per_worker;
  if (most != 0 && !cut_to_fit(*u, most - slot.dispatched))
    return false;
  const auto items = u->items;
  const auto deadline = u->deadline;
  const bool hedged = u->options && u->options->hedge_after.count() != 0;
  const bool was_idle = !slot.busy();
  const int control = slot.process ? slot.process->control() : -1;
  u->worker = &slot; // before the worker can answer
  u->sent = pool_.onlooker ? clock::now() : time_point{};
  // On success the flight owns the unit, and `u` is empty.
  if (!slot.link.send(u, limit_of(*u).count(), control, slot.inbox)) {
    u->worker = nullptr;
    return false;
  }
  if (deadline < sent_deadline_)
    pool_.ticks.need(sent_deadline_ = deadline);
  slot.dispatched += items;
  pool_.tasks.send(items);
  pool_.hedging |= hedged;
  if (was_idle)
    slot.watch.item_ended(); // its clock begins where a limit needs it
  // It drains at once, and not when the last answer comes: its successor can start meanwhile.
  if (is_used_up(slot)) {
    retire(slot);
    if (slot.pinned > 0)
      queue_.fail_pinned(slot.id);
  }
  plan_looks(slot);
  // Nobody leads and the worker would not ring: whoever holds the turn arms it before the lock is
  // let go (pool_turn::settle).
  if (!pool_.waiting.led && !slot.link.armed())
    pool_.some_unarmed = true;
  return true;
}

void dispatcher::retire(worker_slot& slot) noexcept { slot.drain(exit_cause::recycled); }

void dispatcher::stop_idle_workers() noexcept {
  for (const auto& s : pool_.slots) {
    if (s->phase() != worker_phase::draining || s->busy() || s->pinned > 0)
      continue;
    // Three steps in this order: from `stopping` on nothing is sent, so no frame can follow the
    // request; the grace counts from the request.
    s->advance(worker_phase::stopping);
    s->link.request_stop();
    s->watch.ask_for_end(clock::now());
    pool_.ticks.need(s->watch.next_look());
  }
}

namespace {

// Whether the stack of the worker's main thread tells where it went wrong. Before its first beat
// the worker has no recorder yet.
bool has_last_words(const worker_slot& slot, exit_cause why) noexcept {
  // Relaxed: a number, no bytes.
  if (!slot.ready && slot.link.worker_words().beat.load(std::memory_order_relaxed) == 0)
    return false;
  return why == exit_cause::timed_out || why == exit_cause::memory_limit
         || why == exit_cause::unresponsive || why == exit_cause::start_failed;
}

} // namespace

void dispatcher::kill(worker_slot& slot, exit_cause why) noexcept {
  const bool last_words = has_last_words(slot, why);
  // It was killed, or asked for its last words, before: a second signal would hit the handler that
  // writes them.
  if (last_words && slot.watch.was_killed())
    return;
  // The first reason is the true one: what follows is its consequence.
  if (slot.asked == exit_cause::none)
    slot.asked = why;
  slot.advance(worker_phase::draining);
  if (!slot.process) {
    slot.link.request_task_stop(no_position);
    slot.link.request_stop();
    return;
  }
  slot.watch.killed(clock::now(), last_words);
  pool_.ticks.need(slot.watch.next_look());
  slot.process->kill(last_words ? last_words_signal : SIGKILL);
}

worker_facts dispatcher::facts_of(const worker_slot& slot) const noexcept {
  worker_facts f;
  f.process = slot.process != nullptr;
  f.ready = slot.ready;
  f.serves = slot.serves();
  f.busy = slot.busy() && !slot.gone();
  f.beat = slot.link.worker_words().beat.load(std::memory_order_relaxed); // a number, no bytes
  if (!f.busy)
    return f;
  const auto& flown = slot.link.flown();
  f.front = flown.next();
  // acquire: what it names is compared with what was sent, and read by the strike that may follow.
  const auto claim = slot.link.worker_words().claim.load(std::memory_order_acquire);
  f.runs = position_of(claim) == flown.next() && phase_of(claim) != claim_phase::none;
  f.behind = may_move_on(slot);
  f.mean = slot.frames.mean();
  const auto* u = flown.front();
  f.has_task = u != nullptr;
  if (u == nullptr)
    return f;
  f.limit = limit_of(*u);
  f.soft_limit = soft_limit_of(*u);
  f.cancelled = u->kill_wanted;
  f.holds_results = u->items > 1 && f.limit.count() == 0 && f.soft_limit.count() == 0;
  return f;
}

// Called for each task: no clock is read, and no word of the worker's, where nothing begins.
void dispatcher::plan_looks(worker_slot& slot) noexcept {
  const auto* u = slot.link.flown().front();
  const bool limited =
    u != nullptr && slot.ready && (limit_of(*u).count() != 0 || soft_limit_of(*u).count() != 0);
  const bool holds = u != nullptr && u->items > 1 && !limited;
  if (!slot.busy() || !slot.watch.has_to_plan(limited, holds))
    return;
  const auto now = clock::now();
  slot.watch.plan(facts_of(slot), now);
  pool_.ticks.need(slot.watch.next_look());
}

// Work lies behind a running task while somebody has nothing to do: look again soon.
void dispatcher::plan_for_idle() noexcept {
  if (pool_.queue.units() != pool_.queue.in_lanes() || pool_.slots.size() < 2)
    return;
  bool idle = false;
  bool behind = false;
  for (const auto& s : pool_.slots) {
    idle |= s->idle();
    behind |= may_move_on(*s) != 0;
  }
  if (idle && behind && !pool_.ticks.due_within(worker_watch::shortest_patience))
    pool_.ticks.need(clock::now() + worker_watch::shortest_patience);
}

std::chrono::nanoseconds dispatcher::limit_of(const unit& u) const noexcept {
  if (u.options && u.options->timeout.count() != 0)
    return std::min(u.options->timeout, longest_limit);
  return pool_.options.task_timeout;
}

std::chrono::nanoseconds dispatcher::soft_limit_of(const unit& u) noexcept {
  return u.options ? std::min(u.options->soft_timeout, longest_limit) : std::chrono::nanoseconds{0};
}

} // namespace bulkhead::runtime
