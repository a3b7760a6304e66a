#pragma once

#include "runtime/system/bell.hpp"
#include "runtime/system/unique_fd.hpp"
#include "runtime/workers/pool_lock.hpp"

#include <bulkhead/detail/future_base.hpp>

#include <condition_variable>
#include <cstddef>

namespace bulkhead::runtime {

/// The threads that wait for a pool, and how each is woken: followers sleep on `changed`, the
/// leader in epoll, where the bell reaches it.
struct waiters {
  waiters();

  unique_fd events;                ///< epoll of the workers' bells and ours
  unique_fd bell;                  ///< wakes a sleeping leader, or the runtime thread
  std::condition_variable changed; ///< room, idleness, a worker's end
  std::size_t for_room BULKHEAD_GUARDED_BY(pool_lock) = 0; ///< submits that wait
  bool led BULKHEAD_GUARDED_BY(pool_lock) = false;         ///< one of them is the leader
  bool leader_sleeps BULKHEAD_GUARDED_BY(pool_lock) = false;
  /// What the leader waits for; null: something else than an outcome.
  const detail::event_latch* target BULKHEAD_GUARDED_BY(pool_lock) = nullptr;

  void kick() noexcept { ring(bell.get()); }
  /// An outcome has been set.
  void wake_leader() noexcept BULKHEAD_REQUIRES(pool_lock) {
    if (leader_sleeps && (target == nullptr || target->ready()))
      kick();
  }
  /// There may be room now, or never again.
  void wake_all() noexcept BULKHEAD_REQUIRES(pool_lock) {
    changed.notify_all();
    if (leader_sleeps)
      kick();
  }
};

} // namespace bulkhead::runtime
