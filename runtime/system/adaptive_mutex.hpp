#pragma once

#include <pthread.h>

namespace bulkhead::runtime {

/// A mutex for sections of a few instructions that two running threads enter often: lock() spins a
/// moment before it sleeps (glibc's PTHREAD_MUTEX_ADAPTIVE_NP). Meets Lockable.
class adaptive_mutex {
public:
  adaptive_mutex() = default;
  ~adaptive_mutex() { ::pthread_mutex_destroy(&mutex_); }
  adaptive_mutex(const adaptive_mutex&) = delete;
  adaptive_mutex& operator=(const adaptive_mutex&) = delete;

  void lock() noexcept { ::pthread_mutex_lock(&mutex_); }
  bool try_lock() noexcept { return ::pthread_mutex_trylock(&mutex_) == 0; }
  void unlock() noexcept { ::pthread_mutex_unlock(&mutex_); }

private:
  pthread_mutex_t mutex_ = PTHREAD_ADAPTIVE_MUTEX_INITIALIZER_NP;
};

} // namespace bulkhead::runtime
