#include "runtime/failure_of.hpp"
#include "runtime/failure_wire.hpp"
#include "runtime/hooks.hpp"
#include "runtime/worker_pool.hpp"

#include <unistd.h>

#include <algorithm>
#include <utility>

namespace bulkhead::runtime {

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
  reactor_->post([weak = weak_from_this()] { // more is there: let other pools have a turn
    if (auto self = std::static_pointer_cast<worker_pool>(weak.lock()))
      self->serve();
  });
}

bool worker_pool::drain_all() {
  bool more = false;
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
  const auto result =
    slot.link.drain(answers_a_turn, [&](const answer& a) { return take_answer(slot, a); });
  if (result == channel::drained::bad)
    bad_message(slot);
  else if (slot.busy())
    plan_ticks(slot);
  return result == channel::drained::more;
}

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
    if (slot.ready)
      return false;
    slot.ready = true;
    intensity_.on_ready();
    tell(event_kind::ready, slot, {}, "worker serves");
    return true;
  case answer_kind::grown:
    if (!slot.ready || options_.max_memory_per_worker == 0)
      return false;
    retire(slot);
    return true;
  case answer_kind::unfit:
    if (slot.ready)
      return false;
    slot.unfit = printable({reinterpret_cast<const char*>(a.payload.data()),
                            std::min(a.payload.size(), max_text_bytes)});
    return true;
  }
  return false;
}

bool worker_pool::take_part(worker_slot& slot, const answer& a) {
  auto& flown = slot.link.flown();
  if (flown.empty() || a.where != flown.next() || !flown.is_sent(a.where))
    return false;
  if (slot.partial.size() + a.payload.size() > options_.queue_bytes)
    return false;
  if (slot.partial_of == no_position) // the whole size, if the worker does not lie: one allocation
    slot.partial.reserve(
      static_cast<std::size_t>(std::min<std::uint64_t>(a.value, options_.queue_bytes)));
  slot.partial_of = a.where;
  slot.partial.append(a.payload.data(), a.payload.size());
  return true;
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
  if (has_parts && (slot.partial_of != a.where || a.kind == answer_kind::failed))
    return false;
  const auto item = slot.link.flown().accept_result(a.where);
  if (!item)
    return false;
  if (a.kind == answer_kind::failed) {
    f.worker = slot.process ? slot.process->pid() : 0;
    fail(*item->work, item->item, std::move(f));
  } else if (has_parts) {
    slot.partial.append(a.payload.data(), a.payload.size());
    succeed(*item->work, item->item);
    item->work->sink->on_large_value(item->work->first_item + item->item,
                                     std::exchange(slot.partial, {}));
    slot.partial_of = no_position;
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
    const auto ran = std::chrono::nanoseconds{std::min<std::uint64_t>(ran_ns, UINT64_C(1) << 40)};
    slot.frames.learn(u.items > 1 ? ran * u.items : ran);
    slot.last_ran = ran;
    const auto old = u.sink->mean_item_ns.load(std::memory_order_relaxed);
    const auto ns = static_cast<std::uint32_t>(std::min<std::uint64_t>(ran_ns, UINT32_MAX / 16));
    u.sink->mean_item_ns.store(old == 0 ? std::max(ns, 1U) : std::max((old * 7 + ns) / 8, 1U),
                               std::memory_order_relaxed);
  }
  if (u.kill_wanted) { // it ended before the grace did
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
  if (slot.partial_of != no_position)
    return false;
  std::vector<std::unique_ptr<unit>> back;
  const bool good = slot.link.flown().accept_returned(
    a.where, a.value, [&](unit& work, std::uint32_t first, bool whole) {
      back.push_back(detach(slot, work, first, whole));
    });
  give_back(back);
  return good;
}

std::unique_ptr<unit> worker_pool::detach(worker_slot& slot, unit& work, std::uint32_t first,
                                          bool whole) {
  std::unique_ptr<unit> rest;
  if (first == 0) {
    rest.reset(&work);
  } else {
    rest = split(work, first);
    if (whole) { // what stayed is answered
      work.sink->placed(nullptr, work.id);
      delete &work;
    }
  }
  if (whole && rest->kill_wanted) { // it did not run here after all
    rest->kill_wanted = false;
    slot.cancelled_task = slot.asked_by_limit = false;
  }
  rest->worker = nullptr;
  slot.dispatched -= rest->items;
  in_flight_ -= rest->items;
  return rest;
}

void worker_pool::give_back(std::vector<std::unique_ptr<unit>>& units) {
  for (auto u = units.rbegin(); u != units.rend(); ++u) {
    if (!*u)
      continue;
    stats_.requeued += (*u)->items;
    if ((*u)->cancel_wanted)
      fail_all(std::move(*u),
               failure_of(failure_kind::cancelled, "the task was cancelled before it started"));
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
  std::vector<std::unique_ptr<unit>> back;
  slot.link.flown().recall(from, [&](unit& work, std::uint32_t first, bool whole) {
    back.push_back(detach(slot, work, first, whole));
  });
  BULKHEAD_HOOK("host.recalled");
  give_back(back);
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

void worker_pool::note_completion(std::uint64_t id) {
  if (!collect_completions_)
    return;
  completed_.push_back(id);
  const std::uint64_t one = 1;
  if (::write(completion_fd_.get(), &one, sizeof one) < 0)
    return; // the counter is full: it is readable all the same
}

void worker_pool::succeed(const unit& u, std::uint32_t item) {
  ++stats_.succeeded;
  note_completion(u.id + item);
}

void worker_pool::fail(unit& u, std::uint32_t item, failure f) {
  f.may_have_executed |= u.attempt > 1; // an earlier attempt began
  ++(f.kind == failure_kind::cancelled ? stats_.cancelled : stats_.failed);
  note_completion(u.id + item);
  u.sink->on_failure(u.first_item + item, std::move(f));
}

void worker_pool::fail_all(std::unique_ptr<unit> u, const failure& f) {
  u->sink->placed(nullptr, u->id);
  for (std::uint32_t i = 0; i < u->items; ++i)
    fail(*u, i, f);
  wake_leader();
  if (in_flight_ == 0)
    changed_.notify_all();
}

} // namespace bulkhead::runtime
