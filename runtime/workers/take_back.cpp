#include "runtime/outcome/failure_of.hpp"
#include "runtime/testing/hooks.hpp"
#include "runtime/workers/dispatcher.hpp"

#include <algorithm>
#include <new>
#include <utility>

// From a worker back to the queue, by claim and recall (docs/wire_format.md).
namespace bulkhead::runtime {

void dispatcher::take_back(worker_slot& slot, unit& work, std::uint32_t first,
                           std::unique_ptr<unit> owner, unit_list& into) noexcept {
  if (auto rest = detach(slot, work, first, std::move(owner)))
    into.push_back(std::move(rest));
}

std::unique_ptr<unit> dispatcher::detach(worker_slot& slot, unit& work, std::uint32_t first,
                                         std::unique_ptr<unit> owner) noexcept {
  // What comes back has not run, so it is no part of the worker's share (max_tasks_per_worker).
  slot.dispatched -= work.items - first;
  // It did not run here after all, or all that ran is answered. Of gathered tasks the last was
  // meant.
  if (work.kill_wanted && (first == 0 || owner || work.gathers)) {
    work.kill_wanted = false;
    slot.cancelled_task = false;
    slot.watch.task_obeyed();
  }
  auto rest = first == 0 ? std::move(owner) : split_or_fail(work, first);
  if (rest) {
    rest->worker = nullptr;
    rest->refused_since = {};
  }
  // The unit was cut, and all that it still has is answered.
  if (owner) // what stayed is answered
    ends_.finish(std::move(owner));
  return rest;
}

std::unique_ptr<unit> dispatcher::split_or_fail(unit& work, std::uint32_t first) noexcept try {
  auto rest = split(work, first);
  rest->sink->moved(rest.get(), rest->first_item, rest->items);
  return rest;
} catch (const std::bad_alloc&) {
  for (auto item = first; item < work.items; ++item)
    ends_.fail(work, item, failure_of(failure_kind::rejected, "the host has no memory to send it"),
               task_place::sent);
  work.items = first;
  pool_.waiting.wake_leader();
  return nullptr;
}

void dispatcher::give_back(unit_list& units) noexcept {
  while (!units.empty()) {
    // The last one first, each put in front: so they keep their order.
    auto u = units.pop_back();
    pool_.tasks.come_back(u->items);
    failure room;
    if (const auto* f = end_of_returned(*u, room); f != nullptr)
      ends_.fail_all(std::move(u), *f, task_place::waiting);
    else
      queue_.enqueue(std::move(u), true);
  }
}

// Null: it is to run elsewhere.
const failure* dispatcher::end_of_returned(const unit& u, failure& room) const noexcept {
  if (u.cancel_wanted)
    room = failure_of(failure_kind::cancelled, "the task was cancelled before it started");
  else if (u.expired)
    room = failure_of(failure_kind::timeout, "the deadline had passed before the task could start");
  else if (pool_.terminated)
    room = failure_of(failure_kind::cancelled, "the pool was terminated");
  else if (pool_.broken)
    return &*pool_.broken;
  else if (u.pinned_worker != 0 && pool_.find_slot(u.pinned_worker) == nullptr)
    room = failure_of(failure_kind::worker_died,
                      "the worker of this broadcast ended before the task started");
  else
    return nullptr;
  return &room;
}

void dispatcher::recall(worker_slot& slot, position from) noexcept {
  unit_list back;
  // Given back after the recall: what give_back() leads to must not find the flight half changed.
  slot.link.flown().recall(from, [&](unit& work, std::uint32_t first, std::unique_ptr<unit> owner) {
    pool_is_locked();
    take_back(slot, work, first, std::move(owner), back);
  });
  BULKHEAD_HOOK("host.recalled");
  give_back(back);
}

void dispatcher::tick(time_point now) noexcept {
  if (sent_deadline_ <= now) {
    // It is counted anew from what is still in flight.
    sent_deadline_ = time_point::max();
    for (const auto& s : pool_.slots)
      if (!s->gone())
        expire_sent(*s, now);
  }
  if (sent_deadline_ != time_point::max())
    pool_.ticks.need(sent_deadline_);
}

// Takes back what lies in a ring and has not started before its deadline: it must not wait there
// for a task that runs for ever. What lies behind it comes back as well and is sent anew.
void dispatcher::expire_sent(worker_slot& slot, time_point now) noexcept {
  auto& flown = slot.link.flown();
  const auto due = [&](const unit& u) { return u.deadline <= now && !u.expired; };
  const auto first = flown.find_work(due);
  flown.for_each_work([&](unit& u) {
    pool_is_locked();
    if (due(u))
      u.expired = true; // give_back() ends what comes back; what runs is its own limit's business
    else if (!u.expired)
      sent_deadline_ = std::min(sent_deadline_, u.deadline);
  });
  if (first != no_position)
    recall(slot, std::max(first, flown.next()));
}

} // namespace bulkhead::runtime
