#pragma once

#include "runtime/dispatch/thread_annotations.hpp"

#include <mutex>

namespace bulkhead::runtime {

/// Stands for the lock of whatever pool a function works for, in the analysis of the compiler: a
/// function that requires it is called with that pool's mutex held.
class BULKHEAD_CAPABILITY("the pool's lock") pool_capability {};
inline pool_capability pool_lock;

/// For the body of a lambda that is called with the lock held, through code that knows nothing of
/// it.
inline void pool_is_locked() noexcept BULKHEAD_ANNOTATE(assert_capability(pool_lock)) {}

/// Holds a pool's mutex, but for the times between unlock() and lock().
class BULKHEAD_SCOPED_CAPABILITY pool_guard {
public:
  explicit pool_guard(std::mutex& mutex) BULKHEAD_ACQUIRE(pool_lock) BULKHEAD_UNCHECKED
    : lock_(mutex) {}
  ~pool_guard() BULKHEAD_RELEASE(pool_lock) BULKHEAD_UNCHECKED {}
  pool_guard(const pool_guard&) = delete;
  pool_guard& operator=(const pool_guard&) = delete;

  void lock() BULKHEAD_ACQUIRE(pool_lock) BULKHEAD_UNCHECKED { lock_.lock(); }
  void unlock() BULKHEAD_RELEASE(pool_lock) BULKHEAD_UNCHECKED { lock_.unlock(); }
  bool owns() const noexcept { return lock_.owns_lock(); }
  /// For a condition variable, which gives the lock back as it found it.
  std::unique_lock<std::mutex>& for_wait() noexcept { return lock_; }

private:
  std::unique_lock<std::mutex> lock_;
};

} // namespace bulkhead::runtime
