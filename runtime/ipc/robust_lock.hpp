#pragma once

#include <bulkhead/detail/duration.hpp>

#include <pthread.h>

#include <cstdint>

namespace bulkhead::runtime {

/// A lock in memory that processes share, which notices that its holder died: glibc's robust mutex.
/// The kernel marks it when the holding thread ends, however it ends, and wakes one waiter.
class robust_lock {
public:
  enum class kind : std::uint8_t { plain, recursive };
  enum class got : std::uint8_t {
    locked,
    owner_died, ///< locked; the holder before died with it
    abandoned,  ///< not locked, nor ever again: it was released without repair
    timed_out,  ///< not locked: the deadline passed
    deadlock    ///< not locked: the calling thread holds it
  };

  /// In place, once, before any other process sees it. Throws std::system_error.
  void init(kind k);

  /// time_point::max(): without end.
  got lock(detail::time_point deadline) noexcept {
    const int error =
      deadline == detail::time_point::max() ? ::pthread_mutex_lock(&mutex_) : lock_until(deadline);
    return error == 0 ? got::locked : from_error(error);
  }
  got try_lock() noexcept {
    const int error = ::pthread_mutex_trylock(&mutex_);
    return error == 0 ? got::locked : from_error(error);
  }
  /// The holder has repaired what the dead one left.
  void make_consistent() noexcept;
  /// False: the calling thread does not hold it.
  bool unlock() noexcept { return ::pthread_mutex_unlock(&mutex_) == 0; }

private:
  int lock_until(detail::time_point deadline) noexcept;
  static got from_error(int error) noexcept;

  pthread_mutex_t mutex_;
};

} // namespace bulkhead::runtime
