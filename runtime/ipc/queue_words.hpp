#pragma once

#include "runtime/ipc/monitor.hpp"
#include "runtime/ipc/queue_area.hpp"
#include "runtime/ipc/queue_end.hpp"

#include <bulkhead/detail/shared_object.hpp>

#include <array>
#include <atomic>
#include <cstdint>

namespace bulkhead::runtime {

/// One end of a queue: who moves it holds its lock.
struct queue_side {
  monitor access;
  waiting_line line; ///< those who wait until it moves
  queue_end end;
  /// The other end as somebody here saw it last: under the lock, and no more than a hint. It may
  /// have gone on, and of a process that died one word may be older than the other.
  queue_place other;
};

/// The memory of a queue; see "Queue" in docs/ipc.md. Who takes the locks of both ends takes that
/// of `putting` first.
struct queue_words {
  detail::shared_kind kind;
  std::uint64_t capacity; ///< never changes
  std::atomic<std::uint32_t> closed;
  /// The ring that counts is rings[ring_in_use % 2]. A change takes both locks, a look one of them.
  std::atomic<std::uint32_t> ring_in_use;
  std::array<queue_ring, 2> rings;
  alignas(64) queue_side putting;
  alignas(64) queue_side getting;
  alignas(64) monitor access; ///< to `done`
  waiting_line joiners;
  std::atomic<std::uint64_t> done; ///< calls of task_done()

  // relaxed: under a lock.
  queue_ring ring() const noexcept {
    return rings[ring_in_use.load(std::memory_order_relaxed) & 1];
  }
  /// Whoever dies before its last store has changed nothing.
  void use(const queue_ring& next) noexcept {
    const auto in_use = ring_in_use.load(std::memory_order_relaxed); // under the locks
    rings[(in_use + 1) & 1] = next;
    // release: of a process that dies here the ring is there before the word that says so.
    ring_in_use.store(in_use + 1, std::memory_order_release);
  }
  // acquire: what was put before close() is seen by who sees it closed.
  bool is_closed() const noexcept { return closed.load(std::memory_order_acquire) != 0; }
};

} // namespace bulkhead::runtime
