#include "runtime/outcome/failure_of.hpp"
#include "runtime/outcome/failure_wire.hpp"
#include "runtime/pool/worker_pool.hpp"
#include "runtime/system/bell.hpp"
#include "runtime/testing/hooks.hpp"

#include <bulkhead/detail/validated.hpp>

#include <algorithm>
#include <new>
#include <string>
#include <utility>

namespace bulkhead::runtime {

using detail::validated;

namespace {
/// Answers of one worker taken in one turn, so that a flooding one does not starve the others.
constexpr std::size_t answers_a_turn = 512;
} // namespace

void worker_pool::serve() {
  lock_type lock{mutex_};
  if (leader_) { // its rings are not ours to clear; it gives the watch back when it leaves
    if (!watch_off_) {
      watch_off_ = true;
      reactor_->change(watch_, 0);
    }
    return;
  }
  clear_events();
  for (const auto& s : slots_)
    s->link.disarm(); // a worker rings once for each time that it was armed
  retired_.clear();
  if (!drain_all()) {
    arm_all();
    return;
  }
  kick(); // more is there: other pools have a turn, then the kick brings us back
}

bool worker_pool::drain_all() {
  bool more = false;
  pay_debts();
  for (std::size_t i = 0; i < slots_.size(); ++i) {
    auto& slot = *slots_[i];
    if (slot.link.has_answers())
      more |= drain_slot(slot);
  }
  pump();
  return more;
}

bool worker_pool::drain_slot(worker_slot& slot) {
  if (slot.lost)
    return false;
  auto result = channel::drained::all;
  try {
    result = slot.link.drain(answers_a_turn, [&](const answer& a) { return take_answer(slot, a); });
  } catch (const std::bad_alloc&) { // the answer waits in the ring
    need_tick(clock::now() + look_again_after);
    return false;
  }
  if (result == channel::drained::bad)
    bad_message(slot);
  else if (slot.busy())
    plan_ticks(slot);
  return result == channel::drained::more;
}

// Takes an answer or leaves everything as it was: bad_alloc only before anything has changed.
bool worker_pool::take_answer(worker_slot& slot, const answer& a) {
  switch (a.kind) {
  case answer_kind::result:
  case answer_kind::failed:
    return take_result(slot, a);
  case answer_kind::part:
    return take_part(slot, a);
  case answer_kind::returned:
    return take_returned(slot, a);
  case answer_kind::ready:
    if (!validated("ready.once", !slot.ready))
      return false;
    slot.ready = true;
    slot.front_since = {}; // a task's limit does not count its worker's initializer
    note_inherited(slot, a.value);
    intensity_.on_ready();
    tell(event_kind::ready, slot, {}, "worker serves");
    return true;
  case answer_kind::grown:
    if (!validated("grown.ready", slot.ready)
        || !validated("grown.limited", options_.max_memory_per_worker != 0))
      return false;
    retire(slot);
    return true;
  case answer_kind::unfit:
    return take_unfit(slot, a);
  }
  return validated("answer.kind", false);
}

bool worker_pool::take_unfit(worker_slot& slot, const answer& a) {
  if (!validated("unfit.before_ready", !slot.ready))
    return false;
  const auto* text = reinterpret_cast<const char*>(a.payload.data());
  const std::string copy{text, a.payload.size()}; // the worker may change it meanwhile
  slot.unfit = printable(copy);
  return true;
}

bool worker_pool::take_part(worker_slot& slot, const answer& a) {
  auto& flown = slot.link.flown();
  const auto total = slot.partial_bytes + a.payload.size();
  if (!validated("part.in_flight", !flown.empty())
      || !validated("part.position", a.where == flown.next())
      || !validated("part.not_taken", flown.is_sent(a.where))
      || !validated("part.total", total <= options_.queue_bytes))
    return false;
  const bool fits = validated("part.whole", a.value <= options_.queue_bytes);
  keep_part(slot, a.payload, fits ? static_cast<std::size_t>(a.value) : options_.queue_bytes);
  slot.partial_of = a.where;
  return true;
}

// `whole`: of the result, if the worker does not lie: one allocation.
void worker_pool::keep_part(worker_slot& slot, std::span<const std::byte> part,
                            std::size_t whole) noexcept {
  slot.partial_bytes += part.size();
  if (slot.partial_lost)
    return;
  try {
    if (slot.partial_of == no_position)
      slot.partial.reserve(whole);
    slot.partial.append(part.data(), part.size());
  } catch (const std::bad_alloc&) {
    slot.partial = {};
    slot.partial_lost = true;
  }
}

void worker_pool::take_parts(worker_slot& slot, unit& u, std::uint32_t item) noexcept {
  auto whole = std::exchange(slot.partial, {});
  slot.partial_of = no_position;
  slot.partial_bytes = 0;
  if (std::exchange(slot.partial_lost, false)) {
    auto f = failure_of(failure_kind::too_large, "the host has no memory for the result");
    f.may_have_executed = true;
    fail(u, item, std::move(f));
    return;
  }
  succeed(u, item);
  u.sink->on_large_value(u.first_item + item, std::move(whole));
}

bool worker_pool::take_result(worker_slot& slot, const answer& a) {
  failure f;
  if (a.kind == answer_kind::failed) {
    detail::buffer copy; // read once: the worker may change it meanwhile
    copy.append(a.payload.data(), a.payload.size());
    if (!decode_failure(copy.bytes(), f))
      return false;
  }
  const bool has_parts = slot.partial_of != no_position;
  if (!validated("failed.without_parts", !has_parts || a.kind == answer_kind::result))
    return false;
  const auto item = slot.link.flown().accept_result(a.where);
  if (!item)
    return false;
  if (a.kind == answer_kind::failed) {
    f.worker = slot.process ? slot.process->pid() : 0;
    fail(*item->work, item->item, std::move(f));
  } else if (has_parts) {
    keep_part(slot, a.payload, 0);
    take_parts(slot, *item->work, item->item);
  } else {
    succeed(*item->work, item->item);
    item->work->sink->on_value(item->work->first_item + item->item, a.payload);
  }
  item_ended(slot, *item, a.value);
  return true;
}

void worker_pool::item_ended(worker_slot& slot, const flight::answered& item,
                             std::uint64_t ran_ns) {
  auto& u = *item.work;
  ++slot.done;
  --in_flight_;
  slot.front_since = {};
  if (ran_ns != 0) {
    constexpr auto longest = UINT64_C(1) << 40;
    const bool plausible = validated("result.duration", ran_ns <= longest);
    const auto ran = std::chrono::nanoseconds{plausible ? ran_ns : longest};
    slot.frames.learn(u.items > 1 ? ran * u.items : ran);
    slot.last_ran = ran;
    const auto old = u.sink->mean_item_ns.load(std::memory_order_relaxed);
    const auto ns = static_cast<std::uint32_t>(std::min<std::uint64_t>(ran_ns, UINT32_MAX / 16));
    u.sink->mean_item_ns.store(old == 0 ? std::max(ns, 1U) : std::max((old * 7 + ns) / 8, 1U),
                               std::memory_order_relaxed);
  }
  u.sink->began.store(true, std::memory_order_relaxed); // under our lock, as its only reader
  if (u.kill_wanted) {                                  // it ended before the grace did
    if (slot.asked_by_limit) // its limit is each item's own; a cancel is meant for all of them
      u.kill_wanted = false;
    slot.cancelled_task = slot.asked_by_limit = false;
    if (!slot.stopping)
      slot.kill_at = time_point::max();
  }
  slot.busy_time += slot.last_ran;
  if (item.item + 1 != u.items)
    return;
  u.sink->placed(nullptr, u.id);
  delete &u; // all its items are answered or live elsewhere
  wake_leader();
  if (in_flight_ == 0)
    changed_.notify_all();
}

bool worker_pool::take_returned(worker_slot& slot, const answer& a) {
  if (!validated("returned.without_parts", slot.partial_of == no_position))
    return false;
  auto back = room_for_returned(slot);
  const bool good = slot.link.flown().accept_returned(
    a.where, a.value, [&](unit& work, std::uint32_t first, bool whole) {
      back.push_back(detach(slot, work, first, whole));
    });
  give_back(back);
  return good;
}

// Before the flight changes: afterwards nothing may fail.
std::vector<std::unique_ptr<unit>> worker_pool::room_for_returned(worker_slot& slot) {
  std::vector<std::unique_ptr<unit>> room;
  room.reserve(slot.link.frames_in_flight());
  return room;
}

// Null: there was no memory to cut the unit, and the items from `first` on have ended as failures.
std::unique_ptr<unit> worker_pool::detach(worker_slot& slot, unit& work, std::uint32_t first,
                                          bool whole) noexcept {
  const auto items = work.items - first;
  slot.dispatched -= items;
  in_flight_ -= items;
  if (first == 0 && work.kill_wanted) { // it did not run here after all
    work.kill_wanted = false;
    slot.cancelled_task = slot.asked_by_limit = false;
  }
  std::unique_ptr<unit> rest;
  if (first == 0)
    rest.reset(&work);
  else
    rest = split_or_fail(work, first);
  if (rest)
    rest->worker = nullptr;
  if (first != 0 && whole) { // what stayed is answered
    work.sink->placed(nullptr, work.id);
    delete &work;
  }
  return rest;
}

std::unique_ptr<unit> worker_pool::split_or_fail(unit& work, std::uint32_t first) noexcept {
  try {
    return split(work, first);
  } catch (const std::bad_alloc&) {
    for (auto item = first; item < work.items; ++item)
      fail(work, item, failure_of(failure_kind::rejected, "the host has no memory to send it"));
    work.items = first;
    wake_leader();
    return nullptr;
  }
}

void worker_pool::give_back(std::vector<std::unique_ptr<unit>>& units) {
  for (auto u = units.rbegin(); u != units.rend(); ++u) {
    if (!*u)
      continue;
    stats_.requeued += (*u)->items;
    if ((*u)->cancel_wanted)
      fail_all(std::move(*u),
               failure_of(failure_kind::cancelled, "the task was cancelled before it started"));
    else if ((*u)->expired)
      fail_all(std::move(*u), failure_of(failure_kind::timeout,
                                         "the deadline had passed before the task could start"));
    else if (terminated_)
      fail_all(std::move(*u), failure_of(failure_kind::cancelled, "the pool was terminated"));
    else if (broken_)
      fail_all(std::move(*u), *broken_);
    else if ((*u)->pinned_worker != 0 && find_slot((*u)->pinned_worker) == nullptr)
      fail_all(std::move(*u),
               failure_of(failure_kind::worker_died,
                          "the worker of this broadcast ended before the task started"));
    else
      enqueue(std::move(*u), true);
  }
  units.clear();
}

void worker_pool::recall(worker_slot& slot, position from) {
  auto back = room_for_returned(slot);
  slot.link.flown().recall(from, [&](unit& work, std::uint32_t first, bool whole) {
    back.push_back(detach(slot, work, first, whole));
  });
  BULKHEAD_HOOK("host.recalled");
  give_back(back);
}

// Without memory what was sent runs.
void worker_pool::recall_if_possible(worker_slot& slot, position from) noexcept try {
  recall(slot, from);
} catch (const std::bad_alloc&) {
  return;
}

bool worker_pool::arm(worker_slot& slot) {
  // Without a leader the runtime thread waits in epoll; whatever came before the flag is taken
  // here.
  for (int turn = 0; turn < 4; ++turn) {
    if (slot.lost || slot.link.arm())
      return true;
    drain_slot(slot);
  }
  return false;
}

void worker_pool::arm_all() {
  bool all = true;
  for (std::size_t i = 0; i < slots_.size(); ++i)
    all &= arm(*slots_[i]);
  if (!all)
    kick();
}

void worker_pool::note_completion(std::uint64_t id) noexcept {
  if (!collect_completions_)
    return;
  try {
    completed_.push_back(id);
  } catch (const std::bad_alloc&) { // its future has the outcome all the same
    return;
  }
  ring(completion_fd_.get());
}

void worker_pool::succeed(const unit& u, std::uint32_t item) noexcept {
  ++stats_.succeeded;
  note_completion(u.id + item);
}

void worker_pool::fail(unit& u, std::uint32_t item, failure f) noexcept {
  f.may_have_executed |= u.attempt > 1; // an earlier attempt began
  ++(f.kind == failure_kind::cancelled ? stats_.cancelled : stats_.failed);
  note_completion(u.id + item);
  u.sink->on_failure(u.first_item + item, std::move(f));
}

void worker_pool::fail_all(std::unique_ptr<unit> u, const failure& f) noexcept {
  u->sink->placed(nullptr, u->id);
  for (std::uint32_t i = 0; i < u->items; ++i)
    fail(*u, i, copy_of(f));
  wake_leader();
  if (in_flight_ == 0)
    changed_.notify_all();
}

} // namespace bulkhead::runtime
