#pragma once

#include <algorithm>
#include <chrono>
#include <ctime>

namespace bulkhead::runtime {

/// `time` as system calls take it; negative counts as none.
inline timespec as_timespec(std::chrono::nanoseconds time) noexcept {
  using namespace std::chrono;
  time = std::max(time, nanoseconds{0});
  const auto whole = duration_cast<seconds>(time);
  return {.tv_sec = whole.count(), .tv_nsec = (time - whole).count()};
}

inline timespec time_left(std::chrono::steady_clock::time_point deadline) noexcept {
  const auto now = std::chrono::steady_clock::now();
  return as_timespec(deadline > now ? deadline - now : std::chrono::nanoseconds{0});
}

} // namespace bulkhead::runtime
