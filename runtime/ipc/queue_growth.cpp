#include "runtime/ipc/queue_growth.hpp"

#include "runtime/ipc/counters.hpp"
#include "runtime/ipc/memfd.hpp"
#include "runtime/testing/hooks.hpp"

#include <bulkhead/detail/buffer.hpp>

#include <fcntl.h>

#include <algorithm>
#include <bit>
#include <stdexcept>
#include <string>

// How the memory of a queue grows with what is in it, and comes back.
namespace bulkhead::detail {

using runtime::monitor;

namespace {

/// An empty queue whose ring is larger than this gives it back.
constexpr std::uint64_t kept_bytes = std::uint64_t{4} << 20;

// All but the first ring, which is never dropped, so that an empty queue needs no memory to go on.
// Where it fails the pages stay until the queue goes.
void drop(const queue_area& area, const queue_ring& ring) noexcept {
  if (ring.offset != 0)
    ::fallocate(area.file->fd(), FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
                static_cast<off_t>(ring.offset), static_cast<off_t>(ring.bytes));
}

} // namespace

void throw_damaged(const char* what) {
  throw std::runtime_error(std::string("queue: its memory is damaged: ") + what
                           + "; make a new queue");
}

// Behind the present ring in the file.
void grow(queue_words& w, queue_area& area, std::uint64_t needed) {
  const monitor::guard getters{w.getting.access, time_point::max()};
  runtime::require_held(getters);
  w.putting.other = w.getting.end.own();
  const auto head = w.putting.other.at;
  const auto old = sound_ring(w);
  const auto held = held_bytes(head, w.putting.end.own().at, old);
  if (old.bytes - held >= needed) // others have made room meanwhile
    return;
  // Not in the place of the old ring: until the commit that one counts, and other processes have it
  // mapped.
  const queue_ring larger{old.offset + old.bytes,
                          std::bit_ceil(std::max(2 * old.bytes, held + needed))};
  runtime::allocate(area.file->fd(), larger.offset, larger.bytes);
  area.putting.map(area.file, old);
  buffer content;
  auto* copy = content.grow(static_cast<std::size_t>(held));
  area.putting.read(head, {copy, content.size()});
  area.putting.map(area.file, larger);
  area.putting.write(head, content.bytes());
  BULKHEAD_HOOK("ipc.queue_grown");
  w.use(larger);
  drop(area, old);
}

bool is_large_and_empty(const queue_words& w) noexcept {
  return w.ring().bytes > kept_bytes && w.getting.end.own().at == w.putting.end.seen().at;
}

void give_back(queue_words& w, const queue_area& area) {
  const monitor::guard putters{w.putting.access, time_point::max()};
  runtime::require_held(putters);
  const monitor::guard getters{w.getting.access, time_point::max()};
  runtime::require_held(getters);
  const auto large = w.ring();
  if (w.putting.end.own().at != w.getting.end.own().at || large.bytes <= kept_bytes)
    return;
  w.putting.other = w.getting.end.own(); // an older one would be further back than a small ring
  BULKHEAD_HOOK("ipc.queue_shrinking");
  w.use({0, first_bytes});
  drop(area, large);
}

} // namespace bulkhead::detail
