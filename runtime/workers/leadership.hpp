#pragma once

#include "runtime/system/spin.hpp"
#include "runtime/workers/answers.hpp"
#include "runtime/workers/pool_state.hpp"

#include <cstdint>
#include <functional>
#include <vector>

namespace bulkhead::runtime {

/// Leader and followers: one waiting thread, the leader, takes the answers itself, so that a round
/// trip is two context switches. While there is one, the runtime thread keeps out; the other
/// waiters sleep on what they wait for. A leader that leaves gives the duty back to the runtime
/// thread.
class leadership {
public:
  leadership(pool_state& pool, answers& heard);

  /// The runtime thread begins to listen. Throws std::system_error.
  void start();
  /// It listens no more, nor is a handler running; without the lock.
  void stop() noexcept BULKHEAD_EXCLUDES(pool_lock);

  /// Waits until `done()`, which is called with the lock, or the deadline. True: it is done.
  bool lead(pool_guard& lock, const std::function<bool()>& done, const detail::event_latch* target,
            time_point deadline) BULKHEAD_REQUIRES(pool_lock);

  /// A worker has gone: its words live for as long as a spinning leader may look at them.
  void outlive_leader(const slot_ptr& slot) noexcept BULKHEAD_REQUIRES(pool_lock);
  /// Room for it, so that a death needs no memory. Throws std::bad_alloc.
  void expect_workers(std::size_t count) BULKHEAD_REQUIRES(pool_lock) {
    retired_.reserve(retired_.size() + count);
  }
  void forget_retired() noexcept BULKHEAD_REQUIRES(pool_lock);

private:
  class duty;
  void serve();
  bool follow(pool_guard& lock, const std::function<bool()>& done, time_point deadline)
    BULKHEAD_REQUIRES(pool_lock);
  void spin(pool_guard& lock, const detail::event_latch* target) BULKHEAD_REQUIRES(pool_lock);
  void sleep(pool_guard& lock, time_point deadline) BULKHEAD_REQUIRES(pool_lock);
  bool look_at_all() noexcept BULKHEAD_REQUIRES(pool_lock);
  void disarm_all() noexcept BULKHEAD_REQUIRES(pool_lock);
  void hush_all() noexcept;
  void keep_runtime_thread_out() noexcept BULKHEAD_REQUIRES(pool_lock);

  pool_state& pool_;
  answers& answers_;
  std::uint64_t watch_ BULKHEAD_GUARDED_BY(pool_lock) = 0; ///< of the events in the reactor
  bool watch_off_ BULKHEAD_GUARDED_BY(pool_lock) = false;
  /// Kept while a spinning leader may look at their words.
  std::vector<slot_ptr> retired_ BULKHEAD_GUARDED_BY(pool_lock);
  /// What the leader looks at while it spins, without the lock. Changed by the leader alone.
  std::vector<const channel*> looked_at_;
  std::uint64_t looked_version_ BULKHEAD_GUARDED_BY(pool_lock) = 0;
  spinner spinner_; ///< the leader's
};

/// The lock, for a call that may send: before it is given back, workers that were sent to and do
/// not ring yet are armed, where no leader listens.
class BULKHEAD_SCOPED_CAPABILITY pool_turn {
public:
  pool_turn(pool_state& pool, answers& heard) BULKHEAD_ACQUIRE(pool_lock) BULKHEAD_UNCHECKED
    : pool_(pool),
      answers_(heard),
      lock_(pool.mutex) {}
  ~pool_turn() BULKHEAD_RELEASE(pool_lock) BULKHEAD_UNCHECKED { settle(); }
  pool_turn(const pool_turn&) = delete;
  pool_turn& operator=(const pool_turn&) = delete;

  void lock() BULKHEAD_ACQUIRE(pool_lock) BULKHEAD_UNCHECKED { lock_.lock(); }
  void unlock() BULKHEAD_RELEASE(pool_lock) BULKHEAD_UNCHECKED {
    settle();
    lock_.unlock();
  }
  pool_guard& guard() noexcept { return lock_; }

private:
  void settle() noexcept;

  pool_state& pool_;
  answers& answers_;
  pool_guard lock_;
};

} // namespace bulkhead::runtime
