#pragma once

#include "runtime/system/timespec.hpp"

#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <climits>
#include <cstdint>
#include <ctime>

namespace bulkhead::runtime {

/// Sleeps while `word` is `seen`, at most until the deadline (CLOCK_MONOTONIC). Returns for any
/// reason; callers look again. `shared`: the word is in memory shared between processes.
inline void futex_wait(const std::atomic<std::uint32_t>& word, std::uint32_t seen, bool shared,
                       std::chrono::steady_clock::time_point deadline) noexcept {
  const auto forever = deadline == std::chrono::steady_clock::time_point::max();
  const auto at = as_timespec(deadline.time_since_epoch());
  // FUTEX_WAIT_BITSET takes an absolute time of CLOCK_MONOTONIC; FUTEX_WAIT a relative one.
  const int op = FUTEX_WAIT_BITSET | (shared ? 0 : FUTEX_PRIVATE_FLAG);
  ::syscall(SYS_futex, &word, op, seen, forever ? nullptr : &at, nullptr, FUTEX_BITSET_MATCH_ANY);
}

inline void futex_wake_all(const std::atomic<std::uint32_t>& word, bool shared) noexcept {
  ::syscall(SYS_futex, &word, FUTEX_WAKE | (shared ? 0 : FUTEX_PRIVATE_FLAG), INT_MAX, nullptr,
            nullptr, 0);
}

} // namespace bulkhead::runtime
