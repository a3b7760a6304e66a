#include "runtime/outcome/failure_of.hpp"
#include "runtime/workers/dispatcher.hpp"

#include <algorithm>
#include <new>
#include <utility>

// A second run of a task that takes long (task_options::hedge_after). The two units are twins:
// outcomes gives the first outcome to the future, and the other unit's to nobody.
namespace bulkhead::runtime {

namespace {

bool wants_hedge(const unit& u) noexcept {
  return u.options && u.options->hedge_after.count() != 0 && u.items == 1 && !u.hedged
         && u.pinned_worker == 0 && !u.cancel_wanted && !u.kill_wanted && !u.expired;
}

} // namespace

// Called for whatever may have let a worker become idle, and when the next task has run for so
// long.
void dispatcher::hedge() {
  if (!pool_.hedging || pool_.ended())
    return;
  const auto now = clock::now();
  auto next = time_point::max();
  for (std::size_t i = 0; i < pool_.slots.size(); ++i) {
    auto& slot = *pool_.slots[i];
    auto* u = slot.gone() || !slot.ready ? nullptr : slot.link.flown().front();
    if (u == nullptr || !wants_hedge(*u))
      continue;
    const auto f = facts_of(slot);
    const auto due =
      slot.watch.at_front_since(f.front, now) + std::min(u->options->hedge_after, longest_limit);
    if (due > now)
      next = std::min(next, due);
    else if (auto* idle = f.runs ? idle_beside(slot, *u) : nullptr; idle != nullptr)
      begin_hedge(*u, *idle);
  }
  pool_.ticks.need(next);
}

worker_slot* dispatcher::idle_beside(const worker_slot& slot, const unit& u) const noexcept {
  for (const auto& s : pool_.slots)
    if (s.get() != &slot && s->idle() && has_room(*s, u))
      return s.get();
  return nullptr;
}

void dispatcher::begin_hedge(unit& first, worker_slot& where) {
  auto second = slice(first, 0, 1);
  second->hedged = first.hedged = true;
  second->twin = &first;
  first.twin = second.get();
  pool_.tasks.submit(1);
  if (send_to(where, second))
    return pool_.tasks.hedge();
  ends_.lose(*second); // the system refused it: the first run goes on alone
  ends_.fail_all(std::move(second), failure_of(failure_kind::cancelled, "it was not sent"),
                 task_place::waiting);
}

void dispatcher::end_lost() {
  if (!pool_.some_lost)
    return;
  const auto lost = [this](const unit& u) { return &ends_.nobody() == u.sink.get(); };
  queue_.cancel_all(ends_.nobody());
  pool_.some_lost = false;
  for (std::size_t i = 0; i < pool_.slots.size(); ++i) {
    auto& slot = *pool_.slots[i];
    auto& flown = slot.link.flown();
    const auto sent = flown.find_work([&](const unit& u) { return lost(u) && !u.kill_wanted; });
    if (sent == no_position || slot.gone())
      continue;
    recall(slot, std::max(sent, flown.next()));
    flown.for_each_work([&](unit& u) {
      pool_is_locked();
      if (lost(u) && !u.kill_wanted)
        request_kill(u);
    });
  }
}

void dispatcher::request_kill(unit& u) noexcept {
  auto& slot = *u.worker;
  u.kill_wanted = true;
  slot.cancelled_task = true;
  // Of a unit of tasks the last one is meant; of a map's, whichever runs.
  const auto item = u.gathers ? u.items - 1 : 0;
  slot.link.request_task_stop(std::max(slot.link.flown().next(), make_position(u.sequence, item)));
  slot.watch.ask_for_task(clock::now());
  pool_.ticks.need(slot.watch.next_look());
}

} // namespace bulkhead::runtime
