#include "runtime/ipc/monitor.hpp"

#include "runtime/system/futex.hpp"
#include "runtime/testing/hooks.hpp"

#include <algorithm>
#include <chrono>

namespace bulkhead::runtime {

namespace {

/// The lock is held for a moment only; who may not wait for a change may wait for that.
constexpr std::chrono::milliseconds moment{100};

} // namespace

detail::time_point monitor::a_moment_at_least(detail::time_point deadline) noexcept {
  return std::max(deadline, std::chrono::steady_clock::now() + moment);
}

void monitor::guard::wake(waiting_line& line) noexcept {
  BULKHEAD_HOOK("ipc.announcing");
  // release and the futex call: a waiter that read the old turn either is asleep and woken, or the
  // kernel's comparison fails. Whatever it then reads it reads under the lock.
  line.turn.fetch_add(1, std::memory_order_release);
  BULKHEAD_HOOK("ipc.turned");
  futex_wake_all(line.turn, true);
  BULKHEAD_HOOK("ipc.woken");
  line.sleepers.store(0, std::memory_order_relaxed); // last: a death before it wakes once too often
}

bool monitor::guard::sleep(waiting_line& line, detail::time_point deadline) noexcept {
  if (deadline != detail::time_point::max() && std::chrono::steady_clock::now() >= deadline)
    return false;
  const auto seen = expect(line);
  BULKHEAD_HOOK("ipc.before_sleep");
  of_.lock_.unlock();
  held_ = false;
  BULKHEAD_HOOK("ipc.sleeping");
  futex_wait(line.turn, seen, true, deadline);
  BULKHEAD_HOOK("ipc.slept");
  return true;
}

bool monitor::guard::wait(waiting_line& line, detail::time_point deadline,
                          detail::time_point to_lock) noexcept {
  if (!sleep(line, deadline))
    return false;
  held_ = of_.enter(to_lock);
  return held_;
}

} // namespace bulkhead::runtime
