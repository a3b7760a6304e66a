#include <bulkhead/queue.hpp>

#include "runtime/ipc/counters.hpp"
#include "runtime/ipc/memfd.hpp"
#include "runtime/ipc/queue_area.hpp"
#include "runtime/testing/hooks.hpp"

#include <bulkhead/detail/type_name.hpp>
#include <bulkhead/error.hpp>

#include <fcntl.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <bit>
#include <stdexcept>

// A queue of bytes in shared memory. Every operation takes the monitor's lock, copies the state
// that counts, works on the copy and its place in the ring, and commits by one store; see "Queue"
// in docs/ipc.md.
namespace bulkhead::detail {

using runtime::monitor;
using runtime::queue_state;
using runtime::waiting_line;

namespace {

constexpr std::uint64_t first_bytes = std::uint64_t{64} << 10;
/// An empty queue whose ring is larger than this gives it back.
constexpr std::uint64_t kept_bytes = std::uint64_t{4} << 20;

// The state that counts is states[active]; a change writes the other one and then `active`.
struct queue_words {
  shared_kind kind;
  monitor access;
  waiting_line getters;
  waiting_line putters;
  waiting_line joiners;
  std::uint64_t capacity; ///< never changes
  std::atomic<std::uint32_t> active;
  std::atomic<std::uint32_t> closed;
  std::array<queue_state, 2> states;
};

std::uint64_t space_of(std::uint64_t item_bytes) noexcept {
  return sizeof item_bytes + ((item_bytes + 7) & ~std::uint64_t{7});
}

/// One operation on a queue: the lock, a copy of the state, and the commit.
class turn {
public:
  turn(queue_words& words, queue_area& area, time_point deadline)
    : words_(words), area_(area), held_(words.access, deadline) {
    if (!held_ && deadline == time_point::max())
      runtime::require_held(held_);
    if (held_)
      look();
  }

  explicit operator bool() const noexcept { return static_cast<bool>(held_); }
  queue_state& state() noexcept { return state_; }
  const queue_state& state() const noexcept { return state_; }
  // relaxed: written and read under the lock.
  bool closed() const noexcept { return words_.closed.load(std::memory_order_relaxed) != 0; }

  /// False: the deadline passed.
  bool wait(waiting_line& line, time_point deadline) {
    if (!held_.wait(line, deadline))
      return false;
    look();
    return true;
  }

  /// The announcement of a change, then the change as one store. Whoever dies before that store
  /// has changed nothing.
  void commit(waiting_line& line) {
    held_.announce(line);
    const auto next = 1 - active();
    runtime::copy_state(words_.states[next], state_);
    BULKHEAD_HOOK("ipc.committing");
    // release: nobody reads it without the lock, but a process that dies here must not leave the
    // index before the state. A dead process's stores are all there, in the program's order.
    words_.active.store(next, std::memory_order_release);
    BULKHEAD_HOOK("ipc.committed");
  }

  void announce(waiting_line& line) { held_.announce(line); }

  /// A ring at least twice as large, behind the present one in the file, with what is in that.
  void grow(std::uint64_t needed) {
    area_.map(state_);
    const auto old = state_;
    auto larger = old;
    larger.bytes = std::bit_ceil(std::max(2 * old.bytes, old.tail - old.head + needed));
    // Not in the place of the old ring: until the commit that one counts, and other processes have
    // it mapped.
    larger.offset = old.offset + old.bytes;
    runtime::allocate(area_.file->fd(), larger.offset, larger.bytes);
    buffer content;
    auto* copy = content.grow(static_cast<std::size_t>(old.tail - old.head));
    area_.read(old.head, {copy, content.size()});
    area_.map(larger);
    area_.write(old.head, content.bytes());
    BULKHEAD_HOOK("ipc.queue_grown");
    state_ = larger;
  }

  /// The first ring again, where the queue is empty and has become large. True: the present one
  /// may be dropped after the commit.
  bool shrink() noexcept {
    if (state_.head != state_.tail || state_.bytes <= kept_bytes)
      return false;
    state_.offset = 0;
    state_.bytes = first_bytes;
    return true;
  }

private:
  std::uint32_t active() const noexcept {
    return words_.active.load(std::memory_order_relaxed) & 1; // under the lock
  }

  // Copied, then checked: another process wrote it.
  void look() {
    runtime::copy_state(state_, words_.states[active()]);
    if (!state_.is_sound())
      throw std::runtime_error("queue: its memory is damaged: a process has overwritten it; make a "
                               "new queue");
  }

  queue_words& words_;
  queue_area& area_;
  monitor::guard held_;
  queue_state state_{};
};

// The pages of a ring that nobody uses; where that fails they stay until the queue goes.
void drop(const queue_area& area, std::uint64_t offset, std::uint64_t bytes) noexcept {
  ::fallocate(area.file->fd(), FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
              static_cast<off_t>(offset), static_cast<off_t>(bytes));
}

// All but the first ring, which is never dropped, so that an empty queue needs no memory to go on.
void drop_if_left(const queue_area& area, std::uint64_t offset, std::uint64_t bytes,
                  std::uint64_t now) noexcept {
  if (offset != now && offset != 0)
    drop(area, offset, bytes);
}

std::uint64_t item_bytes(const queue_area& area, const queue_state& s) {
  const auto length = area.read_word(s.head);
  if (length > s.tail - s.head || space_of(length) > s.tail - s.head)
    throw std::runtime_error("queue: its memory is damaged: an item is longer than the queue; make "
                             "a new queue");
  return length;
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
  w.access.init();
  w.capacity = capacity;
  w.states[0].bytes = first_bytes;
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
  turn t{w, *area_, deadline};
  const auto full = [&] { return w.capacity != 0 && t.state().items() >= w.capacity; };
  while (t && !t.closed() && full())
    if (!t.wait(w.putters, deadline))
      return false;
  if (!t)
    return false;
  if (t.closed())
    throw queue_closed("the queue is closed: nothing can be put; put before close()");
  const auto before_offset = t.state().offset;
  const auto before_bytes = t.state().bytes;
  const std::uint64_t length = item.size();
  if (t.state().room() < space_of(length))
    t.grow(space_of(length));
  auto& s = t.state();
  area_->map(s);
  area_->write_word(s.tail, length);
  area_->write_item(s.tail + sizeof length, item);
  BULKHEAD_HOOK("ipc.queue_written");
  s.tail += space_of(length);
  ++s.puts;
  t.commit(w.getters);
  drop_if_left(*area_, before_offset, before_bytes, s.offset);
  return true;
}

queue_base::got queue_base::get(buffer& item, time_point deadline) {
  auto& w = words<queue_words>();
  turn t{w, *area_, deadline};
  while (t && t.state().items() == 0 && !t.closed())
    if (!t.wait(w.getters, deadline))
      return got::none;
  if (!t)
    return got::none;
  if (t.state().items() == 0)
    return got::closed;
  auto& s = t.state();
  const auto before_offset = s.offset;
  const auto before_bytes = s.bytes;
  area_->map(s);
  const auto length = item_bytes(*area_, s);
  // Copied before it is taken: a process that dies, or has no memory, leaves the item where it is.
  area_->read_item(s.head + sizeof length, item, static_cast<std::size_t>(length));
  BULKHEAD_HOOK("ipc.queue_read");
  s.head += space_of(length);
  ++s.gets;
  t.shrink();
  t.commit(w.putters);
  drop_if_left(*area_, before_offset, before_bytes, s.offset);
  return got::item;
}

std::size_t queue_base::size() const {
  turn t{words<queue_words>(), *area_, time_point::max()};
  return static_cast<std::size_t>(t.state().items());
}

bool queue_base::get_ready() const {
  const turn t{words<queue_words>(), *area_, time_point::max()};
  return t.closed() || t.state().items() != 0;
}

void queue_base::close() {
  auto& w = words<queue_words>();
  turn t{w, *area_, time_point::max()};
  // Both lines before the store, as in every change: whoever dies in between has woken them for
  // nothing.
  t.announce(w.getters);
  t.announce(w.putters);
  BULKHEAD_HOOK("ipc.committing");
  w.closed.store(1, std::memory_order_relaxed); // under the lock
  BULKHEAD_HOOK("ipc.committed");
}

void queue_base::task_done() {
  auto& w = words<queue_words>();
  turn t{w, *area_, time_point::max()};
  if (t.state().dones == t.state().puts)
    throw config_error("queue: task_done() was called more often than items were put");
  ++t.state().dones;
  t.commit(w.joiners);
}

bool queue_base::join(time_point deadline) const {
  auto& w = words<queue_words>();
  turn t{w, *area_, deadline};
  const auto done = [&] { return t.state().dones == t.state().puts; };
  while (t && !done())
    if (!t.wait(w.joiners, deadline))
      return false;
  return static_cast<bool>(t);
}

} // namespace bulkhead::detail
