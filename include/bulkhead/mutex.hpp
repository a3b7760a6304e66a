#pragma once

#include <bulkhead/detail/shared_object.hpp>

#include <chrono>
#include <memory>
#include <stdexcept>

namespace bulkhead {

/// A mutex that its holder released without mark_consistent() after the holder before had died:
/// what it protects was given up, and nobody gets it any more.
class owner_died : public std::runtime_error {
public:
  using std::runtime_error::runtime_error;
};

namespace detail {

struct mutex_mapping;

/// What mutex and recursive_mutex have in common.
class mutex_base : public shared_object {
public:
  /// Takes it; blocks as long as another holds it. Where the holder died (its thread ended, its
  /// process was killed or crashed) the lock is taken, too, and previous_owner_died() is true.
  /// Throws owner_died where it was given up, std::system_error (resource_deadlock_would_occur)
  /// where the calling thread holds it already.
  void lock() { acquire(time_point::max()); }
  /// False: another holds it. Throws owner_died.
  bool try_lock();
  /// As lock(), waits at most so long; false: another holds it still.
  template <class Rep, class Period>
  bool try_lock_for(std::chrono::duration<Rep, Period> timeout) {
    return acquire(deadline_after(to_nanoseconds(timeout)));
  }
  template <class Clock, class Duration>
  bool try_lock_until(std::chrono::time_point<Clock, Duration> at) {
    return acquire(steady_time(at));
  }
  /// Throws std::system_error (operation_not_permitted) where the calling thread does not hold it.
  void unlock();

  /// Only for the holder: the one before died while it held it, so what the mutex protects may be
  /// half changed. Repair it and call mark_consistent(), or unlock(): then the mutex is given up.
  bool previous_owner_died() const noexcept;
  /// Only for the holder: what the mutex protects is whole again.
  void mark_consistent() noexcept;

protected:
  mutex_base(shared_kind kind, bool recursive);
  mutex_base(arrived_t, shared_kind kind, shared_segment segment);

private:
  bool acquire(time_point deadline);
  bool take(int result);

  std::shared_ptr<mutex_mapping> here_;
};

} // namespace detail

/// A mutex in shared memory that travels: each copy, in this process or in another one, is the same
/// mutex. It satisfies the standard's Lockable and TimedLockable, so std::unique_lock, scoped_lock
/// and condition_variable_any (for waiters in one process) take it. Robust: see lock(). It belongs
/// to the locking thread; lock and unlock through the same copy or copies of it. Its memory is a
/// page and one descriptor. Thread-safe.
///
///     bulkhead::mutex m;
///     pool.submit([](bulkhead::mutex m) { std::scoped_lock lock{m}; ... }, m);
class mutex : public detail::mutex_base {
public:
  /// A new one, not held. Throws std::system_error and too_large where the system refuses memory.
  mutex() : mutex_base(detail::shared_kind::mutex, false) {}
  mutex(detail::arrived_t arrived, detail::shared_segment segment)
    : mutex_base(arrived, detail::shared_kind::mutex, std::move(segment)) {}
};

/// The same for a thread that locks it again while it holds it: as many unlocks as locks.
class recursive_mutex : public detail::mutex_base {
public:
  recursive_mutex() : mutex_base(detail::shared_kind::recursive_mutex, true) {}
  recursive_mutex(detail::arrived_t arrived, detail::shared_segment segment)
    : mutex_base(arrived, detail::shared_kind::recursive_mutex, std::move(segment)) {}
};

} // namespace bulkhead
