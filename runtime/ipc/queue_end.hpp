#pragma once

#include "runtime/testing/hooks.hpp"

#include <array>
#include <atomic>
#include <cstdint>

namespace bulkhead::runtime {

/// How far one end of a queue has come. Both count from the queue's making.
struct queue_place {
  std::uint64_t at;    ///< bytes
  std::uint64_t items; ///< puts or gets
};

/// One end of a queue in shared memory: moved by whoever holds the lock of this end, in one store,
/// and read by anybody at any time. The place that counts is places_[commits_ % 2]; a move writes
/// the other one and then `commits_`.
class queue_end {
public:
  /// For the holder of the lock.
  queue_place own() const noexcept {
    // relaxed: the lock orders what its holders before wrote, a dead one's too.
    const auto& there = places_[commits_.load(std::memory_order_relaxed) & 1];
    return {there.at.load(std::memory_order_relaxed), there.items.load(std::memory_order_relaxed)};
  }

  /// For all others: a place where the end was at some moment of the call.
  queue_place seen() const noexcept {
    for (;;) {
      // acquire: partner of the release in move(). The words of this place, and before them the
      // item that it lies behind, are read after it.
      const auto commits = commits_.load(std::memory_order_acquire);
      const auto& there = places_[commits & 1];
      // acquire: partners of the releases in move(). Whoever reads a word of the move after the
      // next sees below that the one between has been committed.
      const queue_place found{there.at.load(std::memory_order_acquire),
                              there.items.load(std::memory_order_acquire)};
      // relaxed: the two loads above keep it behind them.
      if (commits_.load(std::memory_order_relaxed) == commits)
        return found;
    }
  }

  /// For the holder of the lock: the end is there from now on. Whoever dies before the last store
  /// has moved nothing.
  void move(queue_place to) noexcept {
    const auto commits = commits_.load(std::memory_order_relaxed); // under the lock
    auto& other = places_[(commits + 1) & 1];
    // release: after the store of `commits_` by which this place went out of use; see seen().
    other.at.store(to.at, std::memory_order_release);
    other.items.store(to.items, std::memory_order_release);
    BULKHEAD_HOOK("ipc.committing");
    // release: whoever sees it sees the place, and the item or the room that it gives.
    commits_.store(commits + 1, std::memory_order_release);
    BULKHEAD_HOOK("ipc.committed");
  }

private:
  struct words {
    std::atomic<std::uint64_t> at;
    std::atomic<std::uint64_t> items;
  };

  std::atomic<std::uint64_t> commits_;
  std::array<words, 2> places_;
};

} // namespace bulkhead::runtime
