#include <bulkhead/queue.hpp>

#include "runtime/ipc/counters.hpp"
#include "runtime/ipc/memfd.hpp"
#include "runtime/ipc/queue_growth.hpp"
#include "runtime/ipc/queue_words.hpp"
#include "runtime/system/spin.hpp"
#include "runtime/testing/hooks.hpp"

#include <bulkhead/detail/type_name.hpp>
#include <bulkhead/error.hpp>
#include <bulkhead/parallelism.hpp>

#include <fcntl.h>

#include <algorithm>
#include <atomic>
#include <stdexcept>

// A queue of bytes in shared memory, with a lock for each of its ends: who puts and who gets do not
// meet, but where one of them finds nothing to do. Every operation writes where nobody looks and
// commits by one store; see "Queue" in docs/ipc.md.
namespace bulkhead::detail {

using runtime::monitor;
using runtime::queue_words;

namespace {

std::uint64_t space_of(std::uint64_t item_bytes) noexcept {
  return sizeof item_bytes + ((item_bytes + 7) & ~std::uint64_t{7});
}

/// False: the deadline passed first. Without a deadline it throws where the lock is lost.
bool is_held(const monitor::guard& held, time_point deadline) {
  if (!held && deadline == time_point::max())
    runtime::require_held(held);
  return static_cast<bool>(held);
}

/// Whether an item may be added. Under the lock of `putting`.
bool has_place(queue_words& w) noexcept {
  const auto puts = w.putting.end.own().items;
  if (w.capacity == 0 || puts - w.putting.other.items < w.capacity)
    return true;
  w.putting.other = w.getting.end.seen();
  return puts - w.putting.other.items < w.capacity;
}

/// Under the lock of `putting`, where there is a place.
void place(queue_words& w, queue_area& area, const buffer& item, monitor::guard& held) {
  auto& side = w.putting;
  const auto now = side.end.own();
  const std::uint64_t length = item.size();
  const auto needed = space_of(length);
  auto ring = sound_ring(w);
  if (ring.bytes - held_bytes(side.other.at, now.at, ring) < needed) {
    side.other = w.getting.end.seen();
    if (ring.bytes - held_bytes(side.other.at, now.at, ring) < needed) {
      grow(w, area, needed);
      ring = w.ring();
    }
  }
  area.putting.map(area.file, ring);
  area.putting.write_word(now.at, length);
  area.putting.write_item(now.at + sizeof length, item);
  BULKHEAD_HOOK("ipc.queue_written");
  held.announce(side.line);
  side.end.move({now.at + needed, now.items + 1});
}

/// Takes the oldest item, where there is one. Under the lock of `getting`.
bool take(queue_words& w, queue_area& area, buffer& item, monitor::guard& held) {
  auto& side = w.getting;
  const auto now = side.end.own();
  if (side.other.at == now.at)
    side.other = w.putting.end.seen();
  if (side.other.at == now.at)
    return false;
  const auto ring = sound_ring(w);
  const auto there = held_bytes(now.at, side.other.at, ring);
  area.getting.map(area.file, ring);
  const auto length = area.getting.read_word(now.at);
  if (length > there || space_of(length) > there)
    throw_damaged("an item is longer than the queue");
  // Copied before it is taken: a process that dies, or has no memory, leaves the item where it is.
  area.getting.read_item(now.at + sizeof length, item, static_cast<std::size_t>(length));
  BULKHEAD_HOOK("ipc.queue_read");
  held.announce(side.line);
  side.end.move({now.at + space_of(length), now.items + 1});
  return true;
}

/// Whether the other side moves within some microseconds, in which a sleep would only have begun;
/// where that was in vain lately, it hardly looks.
template <class Moved>
bool moves_soon(time_point deadline, Moved moved) {
  if (deadline != time_point::max() && std::chrono::steady_clock::now() >= deadline)
    return false;
  thread_local runtime::spinner spins{runtime::longest_spin(available_parallelism())};
  return spins.spin([&] {
    // Seldom: each look takes the cache line that the other side writes.
    for (int i = 0; i < 16; ++i)
      runtime::cpu_pause();
    return moved();
  });
}

enum class waited : std::uint8_t { again, closed, over };

// Under the lock of those who wake it, as every wait (docs/ipc.md, "The monitor"). Empty now is
// empty until that lock is free again: only who puts makes it otherwise.
waited wait_for_item(queue_words& w, time_point deadline) {
  auto& side = w.putting;
  monitor::guard held{side.access, deadline};
  if (!is_held(held, deadline))
    return waited::over;
  if (side.end.own().at != w.getting.end.seen().at)
    return waited::again;
  if (w.is_closed())
    return waited::closed;
  return held.sleep(side.line, deadline) ? waited::again : waited::over;
}

waited wait_for_place(queue_words& w, time_point deadline) {
  auto& side = w.getting;
  monitor::guard held{side.access, deadline};
  if (!is_held(held, deadline))
    return waited::over;
  if (w.putting.end.seen().items - side.end.own().items < w.capacity || w.is_closed())
    return waited::again;
  return held.sleep(side.line, deadline) ? waited::again : waited::over;
}

} // namespace

void throw_queue_closed() { throw queue_closed("the queue is closed and empty"); }

void throw_not_in_queue(const std::type_info& type) {
  throw codec_error("queue: " + type_name(type)
                    + " holds an open descriptor (a pipe, queue, lock or shared memory), which no "
                      "queue carries; send it through a pipe or as an argument");
}

queue_base::queue_base(std::size_t capacity)
  : shared_object(shared_kind::queue, "bulkhead-queue", sizeof(queue_words)),
    area_(std::make_shared<queue_area>(
      runtime::make_memfd("bulkhead-queue-items", first_bytes, true))) {
  auto& w = words<queue_words>();
  for (auto* lock : {&w.putting.access, &w.getting.access, &w.access})
    lock->init();
  w.capacity = capacity;
  w.rings[0].bytes = first_bytes;
}

queue_base::queue_base(arrived_t arrived, shared_segment segment, shared_descriptor items)
  : shared_object(arrived, shared_kind::queue, std::move(segment)),
    area_(std::make_shared<queue_area>(std::move(items))) {
  const int seals = area_->file ? ::fcntl(area_->file->fd(), F_GET_SEALS) : -1;
  if (seals < 0 || (seals & F_SEAL_SHRINK) == 0 || this->segment().size() < sizeof(queue_words))
    throw codec_error("what came is no queue of this library");
}

const shared_descriptor& queue_base::items() const noexcept { return area_->file; }

std::size_t queue_base::capacity() const noexcept {
  return static_cast<std::size_t>(words<queue_words>().capacity);
}

bool queue_base::put(const buffer& item, time_point deadline) {
  auto& w = words<queue_words>();
  for (;;) {
    {
      monitor::guard held{w.putting.access, deadline};
      if (!is_held(held, deadline))
        return false;
      if (w.is_closed())
        throw queue_closed("the queue is closed: nothing can be put; put before close()");
      if (has_place(w)) {
        place(w, *area_, item, held);
        return true;
      }
    }
    const auto has_moved = [&] {
      return w.putting.end.seen().items - w.getting.end.seen().items < w.capacity || w.is_closed();
    };
    if (!moves_soon(deadline, has_moved) && wait_for_place(w, deadline) == waited::over)
      return false;
  }
}

queue_base::got queue_base::get(buffer& item, time_point deadline) {
  auto& w = words<queue_words>();
  for (;;) {
    {
      monitor::guard held{w.getting.access, deadline};
      if (!is_held(held, deadline))
        return got::none;
      if (take(w, *area_, item, held)) {
        if (!is_large_and_empty(w))
          return got::item;
        break;
      }
    }
    const auto has_moved = [&] { return w.getting.end.seen().at != w.putting.end.seen().at; };
    if (moves_soon(deadline, has_moved))
      continue;
    switch (wait_for_item(w, deadline)) {
    case waited::again:
      break;
    case waited::closed:
      return got::closed;
    case waited::over:
      return got::none;
    }
  }
  give_back(w, *area_);
  return got::item;
}

// The end that is behind first: then the other is not before it.
std::size_t queue_base::size() const {
  const auto& w = words<queue_words>();
  const auto gets = w.getting.end.seen().items;
  return static_cast<std::size_t>(w.putting.end.seen().items - gets);
}

bool queue_base::get_ready() const {
  const auto& w = words<queue_words>();
  return w.is_closed() || w.getting.end.seen().at != w.putting.end.seen().at;
}

awaited_word queue_base::sleep_word() const {
  auto& w = words<queue_words>();
  monitor::guard held{w.putting.access, time_point::max()};
  runtime::require_held(held);
  if (w.is_closed() || w.putting.end.own().at != w.getting.end.seen().at)
    return {};
  return {&w.putting.line.turn, held.expect(w.putting.line)};
}

void queue_base::close() {
  auto& w = words<queue_words>();
  monitor::guard putters{w.putting.access, time_point::max()};
  runtime::require_held(putters);
  monitor::guard getters{w.getting.access, time_point::max()};
  runtime::require_held(getters);
  // Both lines before the store, as in every change: whoever dies in between has woken them for
  // nothing.
  putters.announce(w.putting.line);
  getters.announce(w.getting.line);
  BULKHEAD_HOOK("ipc.committing");
  // release: partner of the acquire in is_closed().
  w.closed.store(1, std::memory_order_release);
  BULKHEAD_HOOK("ipc.committed");
}

void queue_base::task_done() {
  auto& w = words<queue_words>();
  monitor::guard held{w.access, time_point::max()};
  runtime::require_held(held);
  const auto done = w.done.load(std::memory_order_relaxed); // written under the lock
  const auto puts = w.putting.end.seen().items;
  if (done >= puts)
    throw config_error("queue: task_done() was called more often than items were put");
  if (done + 1 == puts)
    held.announce(w.joiners);
  BULKHEAD_HOOK("ipc.committing");
  w.done.store(done + 1, std::memory_order_relaxed); // under the lock
  BULKHEAD_HOOK("ipc.committed");
}

bool queue_base::join(time_point deadline) const {
  auto& w = words<queue_words>();
  monitor::guard held{w.access, deadline};
  const auto open = [&] { // relaxed: written under the lock
    return w.done.load(std::memory_order_relaxed) != w.putting.end.seen().items;
  };
  while (is_held(held, deadline) && open())
    if (!held.wait(w.joiners, deadline))
      return false;
  return static_cast<bool>(held);
}

} // namespace bulkhead::detail
