#include <bulkhead/condition.hpp>

#include "runtime/system/futex.hpp"
#include "runtime/testing/hooks.hpp"

#include <algorithm>
#include <atomic>
#include <cstdint>

namespace bulkhead {

using namespace std::chrono_literals;

namespace {

struct condition_words {
  detail::shared_kind kind;
  std::atomic<std::uint32_t> turn; ///< counts notifications; the futex word
};

constexpr auto longest_sleep = 1s; // a notifier may die between its two steps

} // namespace

condition::condition()
  : shared_object(detail::shared_kind::condition, "bulkhead-condition", sizeof(condition_words)) {}

condition::condition(detail::arrived_t arrived, detail::shared_segment segment)
  : shared_object(arrived, detail::shared_kind::condition, std::move(segment)) {}

std::cv_status condition::sleep(std::unique_lock<mutex>& lock, detail::time_point deadline) {
  auto& turn = words<condition_words>().turn;
  // relaxed: read with the mutex held, which orders it before any change that is notified later.
  const auto seen = turn.load(std::memory_order_relaxed);
  // After `turn` was read: a notification from now on changes it, and futex_wait() returns at once.
  lock.unlock();
  BULKHEAD_HOOK("ipc.condition_sleeping");
  const auto now = std::chrono::steady_clock::now();
  runtime::futex_wait(turn, seen, true, std::min(deadline, now + longest_sleep));
  BULKHEAD_HOOK("ipc.condition_slept");
  lock.lock();
  // relaxed: only whether to look again; what is looked at is under the mutex.
  const bool late = deadline != detail::time_point::max()
                    && std::chrono::steady_clock::now() >= deadline
                    && turn.load(std::memory_order_relaxed) == seen;
  return late ? std::cv_status::timeout : std::cv_status::no_timeout;
}

void condition::notify_all() const noexcept {
  auto& turn = words<condition_words>().turn;
  // release, then the futex call: a waiter that read the old turn is asleep and woken, or the
  // kernel's comparison fails.
  turn.fetch_add(1, std::memory_order_release);
  BULKHEAD_HOOK("ipc.condition_turned");
  runtime::futex_wake_all(turn, true);
}

} // namespace bulkhead
