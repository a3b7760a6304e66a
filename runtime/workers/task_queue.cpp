#include "runtime/workers/task_queue.hpp"

#include "runtime/outcome/failure_of.hpp"
#include "runtime/system/bell.hpp"
#include "runtime/system/descriptors.hpp"

#include <new>
#include <utility>

// What waits: the backlog, the deadlines of what is in it, and attempts that wait for their pause.
// All of it under the pool's lock. A unit is in one of the two places and leaves it by take() or by
// its end alone, so that its deadline and its count of pinned ones leave with it.
namespace bulkhead::runtime {

std::unique_ptr<unit> task_queue::make_unit(detail::work&& w) const {
  constexpr std::size_t smallest_ring = 64 * 1024; // what is no larger fits where the rings did
  const auto most = pool_.options.queue_bytes;
  // Refused here, where the caller can be told. Later, a segment that may not be made
  // (RLIMIT_FSIZE, man 2 setrlimit) would raise SIGXFSZ or fail in a thread that has no caller.
  if (w.body.size() > smallest_ring && !within_file_limit(w.body.size()))
    throw too_large("the arguments have " + std::to_string(w.body.size())
                    + " bytes, more than this process's RLIMIT_FSIZE allows");
  if (w.body.size() > most)
    throw too_large("the arguments have " + std::to_string(w.body.size()) + " bytes, more than the "
                    + std::to_string(most)
                    + " of pool_options::queue_bytes; raise it or send less");
  if (w.items > max_items_per_frame)
    throw too_large("a chunk of " + std::to_string(w.items) + " items exceeds the largest, "
                    + std::to_string(max_items_per_frame) + "; use a smaller map_options::chunk");
  auto u = std::make_unique<unit>();
  u->gathers = gathers(w);
  u->stub = w.stub;
  u->loop = w.loop;
  u->body = std::move(w.body);
  u->callable_bytes = w.callable_bytes;
  u->item_bytes = w.item_bytes;
  u->result_bytes = w.result_bytes;
  u->items = w.items;
  u->first_item = w.first_item;
  u->sink = std::move(w.sink);
  u->options = std::move(w.options);
  if (w.broadcast)
    u->pinned_worker = w.worker;
  if (u->options && u->options->deadline.count() != 0)
    u->deadline = detail::deadline_after(u->options->deadline);
  return u;
}

void task_queue::enqueue(std::unique_ptr<unit> u, bool in_front) noexcept {
  if (u->deadline != time_point::max()) {
    try {
      deadlines_.emplace(u->deadline, u.get());
    } catch (const std::bad_alloc&) { // then only its worker looks at the deadline
    }
    pool_.ticks.need(u->deadline);
  }
  if (u->pinned_worker != 0)
    if (auto* slot = pool_.find_slot(u->pinned_worker))
      ++slot->pinned;
  if (pool_.onlooker && u->queued == time_point{})
    u->queued = clock::now();
  const auto lane = pool_.lane_of(*u);
  if (in_front) {
    pool_.queue.push_front(std::move(u), lane);
  } else {
    // Relaxed: see open_.
    open_.store(u->gathers && u->items == 1 ? u.get() : nullptr, std::memory_order_relaxed);
    pool_.queue.push_back(std::move(u), lane);
  }
  tell_room();
}

int task_queue::room_fd() {
  if (!room_fd_)
    room_fd_ = make_bell("eventfd for room_fd()");
  tell_room();
  return room_fd_.get();
}

void task_queue::tell_room() noexcept {
  if (!room_fd_)
    return;
  const bool room = pool_.queue.has_room(1, 0);
  if (std::exchange(room_told_, room) == room)
    return;
  if (room)
    ring(room_fd_.get());
  else
    hush(room_fd_.get());
}

std::unique_ptr<unit> task_queue::take(unit& u) noexcept {
  close(u);
  if (u.deadline != time_point::max())
    deadlines_.erase({u.deadline, &u});
  if (u.pinned_worker != 0)
    if (auto* slot = pool_.find_slot(u.pinned_worker))
      --slot->pinned;
  auto taken = pool_.queue.remove(u);
  // Whoever waits for room may be a follower or the leader, which sleeps elsewhere.
  if (pool_.waiting.for_room > 0)
    pool_.waiting.wake_all();
  tell_room();
  return taken;
}

void task_queue::delay(std::unique_ptr<unit>& u, time_point until) {
  // The place is made before the unit moves: without memory the caller still has it.
  delayed_.emplace(until, nullptr)->second = std::move(u);
  pool_.ticks.need(until);
}

void task_queue::fail(unit& u, const failure& f) noexcept {
  ends_.fail_all(take(u), f, task_place::waiting);
}

void task_queue::cancel(unit& u) noexcept {
  const auto f = failure_of(failure_kind::cancelled, "the task was cancelled before it started");
  for (auto i = delayed_.begin(); i != delayed_.end(); ++i)
    if (i->second.get() == &u) {
      ends_.fail_all(std::move(delayed_.extract(i).mapped()), f, task_place::waiting);
      return;
    }
  ends_.fail_all(take(u), f, task_place::waiting);
}

void task_queue::cancel_all(const detail::task_sink& sink) {
  const auto ours = [&](const unit& u) { return u.sink.get() == &sink; };
  for (auto* queued : pool_.queue.all(ours))
    cancel(*queued);
  // The iterator steps on first, because cancel() takes the entry away.
  for (auto i = delayed_.begin(); i != delayed_.end();)
    if (auto here = i++; ours(*here->second))
      cancel(*here->second);
}

void task_queue::fail_everything(const failure& f) noexcept {
  while (!pool_.queue.empty())
    ends_.fail_all(take(*pool_.queue.front()), f, task_place::waiting);
  while (!delayed_.empty())
    ends_.fail_all(std::move(delayed_.extract(delayed_.begin()).mapped()), f, task_place::waiting);
}

void task_queue::fail_pinned(std::size_t worker) noexcept {
  while (auto* u = pool_.queue.find([&](const unit& q) { return q.pinned_worker == worker; }))
    ends_.fail_all(take(*u),
                   failure_of(failure_kind::worker_died,
                              "the worker of this broadcast ended before the task started"),
                   task_place::waiting);
}

void task_queue::tick(time_point now) noexcept {
  release_delayed(now);
  expire(now);
}

void task_queue::release_delayed(time_point now) noexcept {
  while (!delayed_.empty() && delayed_.begin()->first <= now)
    enqueue(std::move(delayed_.extract(delayed_.begin()).mapped()), false);
  if (!delayed_.empty())
    pool_.ticks.need(delayed_.begin()->first);
}

void task_queue::expire(time_point now) noexcept {
  while (!deadlines_.empty() && deadlines_.begin()->first <= now) {
    auto& u = *deadlines_.begin()->second;
    ends_.fail_all(
      take(u),
      failure_of(failure_kind::timeout, "the deadline had passed before the task could start"),
      task_place::waiting);
  }
  if (!deadlines_.empty())
    pool_.ticks.need(deadlines_.begin()->first);
}

} // namespace bulkhead::runtime
