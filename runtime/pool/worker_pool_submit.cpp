#include "runtime/dispatch/chunking.hpp"
#include "runtime/outcome/failure_of.hpp"
#include "runtime/pool/worker_pool.hpp"
#include "runtime/system/descriptors.hpp"
#include "runtime/this_process/own_process.hpp"

#include <algorithm>

namespace bulkhead::runtime {

void worker_pool::check_open() const {
  if (broken_)
    throw pool_broken(*broken_);
  if (terminated_ || closed_)
    throw pool_closed("pool '" + options_.name
                      + "' is closed: it takes no more tasks; make a new "
                        "pool, or submit before close()");
}

std::unique_ptr<unit> worker_pool::make_unit(detail::work&& w) const {
  constexpr std::size_t smallest_ring = 64 * 1024; // what is no larger fits where the rings did
  if (w.body.size() > smallest_ring && !within_file_limit(w.body.size()))
    throw too_large("the arguments have " + std::to_string(w.body.size())
                    + " bytes, more than this process's RLIMIT_FSIZE allows");
  if (w.body.size() > options_.queue_bytes)
    throw too_large("the arguments have " + std::to_string(w.body.size()) + " bytes, more than the "
                    + std::to_string(options_.queue_bytes)
                    + " of pool_options::queue_bytes; raise it or send less");
  if (w.items > max_items_per_frame)
    throw too_large("a chunk of " + std::to_string(w.items) + " items exceeds the largest, "
                    + std::to_string(max_items_per_frame) + "; use a smaller map_options::chunk");
  auto u = std::make_unique<unit>();
  u->stub = w.stub;
  u->body = std::move(w.body);
  u->callable_bytes = w.callable_bytes;
  u->items = w.items;
  u->first_item = w.first_item;
  u->sink = std::move(w.sink);
  u->options = std::move(w.options);
  if (u->options && u->options->deadline.count() != 0)
    u->deadline = detail::deadline_after(u->options->deadline);
  return u;
}

bool worker_pool::submit(detail::work&& w, detail::admission how) {
  own_process::require(owner_);
  const auto broadcast = w.broadcast;
  const auto worker = w.worker;
  auto u = make_unit(std::move(w));
  lock_type lock{mutex_};
  check_open();
  if (!wait_for_room(lock, *u, how)) {
    w.body = std::move(u->body); // NOLINT(bugprone-use-after-move): given back as it was
    w.sink = std::move(u->sink);
    w.options = std::move(u->options);
    return false;
  }
  backlog_.make_room(*u); // the last call that may fail: what is taken gets its outcome
  u->id = next_task_;
  next_task_ += u->items;
  stats_.submitted += u->items;
  u->sink->units_made.fetch_add(1, std::memory_order_relaxed);
  u->sink->placed(u.get(), u->id);
  if (broadcast)
    u->pinned_worker = worker;
  enqueue(std::move(u), false);
  pump();
  if (broadcast)
    if (const auto* slot = find_slot(worker); slot == nullptr || is_used_up(*slot))
      fail_pinned(worker); // it ended since the caller learnt of it
  return true;
}

// The units that only this worker may run and that it never will.
void worker_pool::fail_pinned(std::size_t worker) noexcept {
  while (auto* u = backlog_.find([&](const unit& q) { return q.pinned_worker == worker; }))
    fail_all(take_queued(*u),
             failure_of(failure_kind::worker_died,
                        "the worker of this broadcast ended before the task started"));
}

void worker_pool::fail_pinned(worker_slot& slot) noexcept {
  if (slot.pinned > 0)
    fail_pinned(slot.id);
}

bool worker_pool::wait_for_room(lock_type& lock, const unit& u, detail::admission how) {
  const auto room = [&] { return backlog_.has_room(u.items, u.bytes()); };
  if (room())
    return true;
  if (!leader_)
    drain_all();
  if (room())
    return true;
  if (how == detail::admission::try_only)
    return false;
  if (how == detail::admission::policy && options_.on_full == on_full::reject)
    throw queue_full(
      "the backlog of pool '" + options_.name + "' is full: " + std::to_string(backlog_.items())
      + " tasks of " + std::to_string(options_.queue_capacity) + ", "
      + std::to_string(backlog_.bytes()) + " bytes of " + std::to_string(options_.queue_bytes)
      + "; submit later or use on_full::block");
  ++room_waiters_;
  const auto done = [&] { return room() || terminated_ || broken_ || closed_; };
  lead(lock, done, nullptr, time_point::max());
  --room_waiters_;
  check_open();
  return true;
}

// A unit that was in the backlog before finds the list of its priority there.
void worker_pool::enqueue(std::unique_ptr<unit> u, bool in_front) noexcept {
  if (u->deadline != time_point::max()) {
    try {
      deadlines_.emplace(u->deadline, u.get());
    } catch (const std::bad_alloc&) { // then only its worker looks at the deadline
    }
    need_tick(u->deadline);
  }
  if (u->pinned_worker != 0)
    if (auto* slot = find_slot(u->pinned_worker))
      ++slot->pinned;
  if (in_front)
    backlog_.push_front(std::move(u));
  else
    backlog_.push_back(std::move(u));
}

std::unique_ptr<unit> worker_pool::take_queued(unit& u) {
  if (u.deadline != time_point::max())
    deadlines_.erase({u.deadline, &u});
  if (u.pinned_worker != 0)
    if (auto* slot = find_slot(u.pinned_worker))
      --slot->pinned;
  auto taken = backlog_.remove(u);
  if (room_waiters_ > 0)
    wake_room_waiters();
  return taken;
}

std::size_t worker_pool::chunk_hint(const detail::task_sink& sink, std::size_t remaining) {
  chunk_facts facts;
  facts.workers = options_.workers;
  facts.units_made = sink.units_made.load(std::memory_order_relaxed);
  facts.remaining = remaining;
  facts.mean_item = std::chrono::nanoseconds{sink.mean_item_ns.load(std::memory_order_relaxed)};
  return next_chunk(facts);
}

bool worker_pool::cancel(detail::future_base& f, bool kill_running) {
  own_process::require(owner_);
  lock_type lock{mutex_};
  if (!leader_)
    drain_all(); // a result that is already there wins
  auto* u = static_cast<unit*>(f.place);
  if (u == nullptr)
    return false;
  if (u->ending) {
    u->cancel_wanted = true; // no further attempt
    return false;
  }
  if (u->worker != nullptr) {
    auto& slot = *u->worker;
    u->cancel_wanted = true;
    recall(slot, make_position(u->sequence, 0)); // ends it as cancelled where it comes back
    u = static_cast<unit*>(f.place);
    if (u == nullptr) {
      pump();
      return true;
    }
    if (kill_running)
      request_kill(*u);
    pump();
    return false;
  }
  cancel_queued(*u);
  pump();
  return true;
}

void worker_pool::cancel_queued(unit& u) {
  const auto f = failure_of(failure_kind::cancelled, "the task was cancelled before it started");
  for (auto i = delayed_.begin(); i != delayed_.end(); ++i)
    if (i->second.get() == &u) {
      fail_all(std::move(delayed_.extract(i).mapped()), f);
      return;
    }
  fail_all(take_queued(u), f);
}

void worker_pool::request_kill(unit& u) {
  auto& slot = *u.worker;
  u.kill_wanted = true;
  slot.cancelled_task = true;
  slot.link.request_task_stop(std::max(slot.link.flown().next(), make_position(u.sequence, 0)));
  if (slot.kill_at == time_point::max()) {
    slot.kill_at = clock::now() + options_.grace;
    need_tick(slot.kill_at);
  }
}

bool worker_pool::cancel_all(const detail::task_sink& sink, bool kill_running) {
  own_process::require(owner_);
  lock_type lock{mutex_};
  if (!leader_)
    drain_all(); // a result that is already there wins
  const auto ours = [&](const unit& u) { return u.sink.get() == &sink; };
  for (auto* queued : backlog_.all(ours))
    cancel_queued(*queued);
  for (auto i = delayed_.begin(); i != delayed_.end();)
    if (auto here = i++; ours(*here->second))
      cancel_queued(*here->second);
  bool left = sink.began.load(std::memory_order_relaxed);
  for (auto* u : ending_)
    if (ours(*u))
      u->cancel_wanted = left = true; // no further attempt
  for (const auto& slot : slots_) {
    const auto sent = slot->link.flown().find_work(ours);
    if (sent == no_position)
      continue;
    slot->link.flown().for_each_work([&](unit& u) {
      if (ours(u))
        u.cancel_wanted = true;
    });
    recall_if_possible(*slot, std::max(sent, slot->link.flown().next()));
    slot->link.flown().for_each_work([&](unit& u) {
      if (!ours(u))
        return;
      left = true;
      if (kill_running)
        request_kill(u);
    });
  }
  pump();
  return !left;
}

} // namespace bulkhead::runtime
