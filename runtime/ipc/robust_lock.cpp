#include "runtime/ipc/robust_lock.hpp"

#include "runtime/system/timespec.hpp"

#include <cerrno>
#include <ctime>
#include <system_error>

namespace bulkhead::runtime {

namespace {

void check(int error) {
  if (error != 0)
    throw std::system_error(error, std::generic_category(), "pthread_mutexattr");
}

} // namespace

void robust_lock::init(kind k) {
  pthread_mutexattr_t wanted;
  check(::pthread_mutexattr_init(&wanted));
  check(::pthread_mutexattr_setpshared(&wanted, PTHREAD_PROCESS_SHARED));
  // Robust: the kernel marks it when its holder dies and wakes one waiter (man 2 get_robust_list).
  check(::pthread_mutexattr_setrobust(&wanted, PTHREAD_MUTEX_ROBUST));
  check(::pthread_mutexattr_settype(&wanted, k == kind::recursive ? PTHREAD_MUTEX_RECURSIVE
                                                                  : PTHREAD_MUTEX_ERRORCHECK));
  check(::pthread_mutex_init(&mutex_, &wanted));
  ::pthread_mutexattr_destroy(&wanted);
}

robust_lock::got robust_lock::from_error(int error) noexcept {
  switch (error) {
  case 0:
    return got::locked;
  case EOWNERDEAD:
    return got::owner_died;
  case ENOTRECOVERABLE:
    return got::abandoned;
  case EDEADLK:
    return got::deadlock;
  default: // ETIMEDOUT, EBUSY, and EAGAIN for too many levels
    return got::timed_out;
  }
}

int robust_lock::lock_until(detail::time_point deadline) noexcept {
  const auto at = as_timespec(deadline.time_since_epoch());
  return ::pthread_mutex_clocklock(&mutex_, CLOCK_MONOTONIC, &at);
}

void robust_lock::make_consistent() noexcept { ::pthread_mutex_consistent(&mutex_); }

} // namespace bulkhead::runtime
