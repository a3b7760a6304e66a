#include <bulkhead/latch.hpp>

#include "runtime/ipc/counters.hpp"
#include "runtime/testing/hooks.hpp"

#include <bulkhead/error.hpp>

#include <string>

namespace bulkhead {

using runtime::counter_words;
using runtime::monitor;

latch::latch(std::uint64_t count)
  : shared_object(detail::shared_kind::latch, "bulkhead-latch", sizeof(counter_words)) {
  auto& w = words<counter_words>();
  w.access.init();
  w.number.store(count, std::memory_order_relaxed); // nobody else has it yet
}

void latch::count_down(std::uint64_t count) {
  auto& w = words<counter_words>();
  monitor::guard held{w.access, detail::time_point::max()};
  runtime::require_held(held);
  const auto now = w.number.load(std::memory_order_relaxed); // written under the lock only
  if (count > now)
    throw config_error("latch: count_down by " + std::to_string(count) + " where "
                       + std::to_string(now) + " are left");
  if (count == now)
    held.announce(w.waiters);
  BULKHEAD_HOOK("ipc.committing");
  // release: partner of the acquire in try_wait(), which takes no lock.
  w.number.store(now - count, std::memory_order_release);
  BULKHEAD_HOOK("ipc.committed");
}

// acquire: what was done before count_down() is seen.
bool latch::try_wait() const noexcept {
  return words<counter_words>().number.load(std::memory_order_acquire) == 0;
}

bool latch::wait_until_zero(detail::time_point deadline) const {
  if (try_wait())
    return true;
  auto& w = words<counter_words>();
  monitor::guard held{w.access, deadline};
  if (!held && deadline == detail::time_point::max())
    runtime::require_held(held);
  while (held && !try_wait())
    if (!held.wait(w.waiters, deadline))
      break;
  return try_wait();
}

} // namespace bulkhead
