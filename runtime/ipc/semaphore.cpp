#include <bulkhead/semaphore.hpp>

#include "runtime/ipc/counters.hpp"
#include "runtime/testing/hooks.hpp"

#include <bulkhead/error.hpp>

#include <string>

namespace bulkhead::detail {

using runtime::counter_words;
using runtime::monitor;

semaphore_base::semaphore_base(shared_kind kind, std::uint64_t count, std::uint64_t most)
  : shared_object(kind, "bulkhead-semaphore", sizeof(counter_words)) {
  if (count > UINT64_MAX >> 1)
    throw config_error("semaphore: " + std::to_string(count) + " is more than 2^63 - 1");
  auto& w = words<counter_words>();
  w.access.init();
  w.most = most;
  w.number.store(count, std::memory_order_relaxed); // nobody else has it yet
}

// relaxed throughout: written and read under the lock.
bool semaphore_base::take(time_point deadline) {
  auto& w = words<counter_words>();
  monitor::guard held{w.access, deadline};
  if (!held && deadline == time_point::max())
    runtime::require_held(held);
  while (held && w.number.load(std::memory_order_relaxed) == 0)
    if (!held.wait(w.waiters, deadline))
      return false;
  if (!held)
    return false;
  BULKHEAD_HOOK("ipc.committing");
  w.number.store(w.number.load(std::memory_order_relaxed) - 1, std::memory_order_relaxed);
  BULKHEAD_HOOK("ipc.committed");
  return true;
}

void semaphore_base::release(std::uint64_t count) {
  auto& w = words<counter_words>();
  monitor::guard held{w.access, time_point::max()};
  runtime::require_held(held);
  const auto now = w.number.load(std::memory_order_relaxed); // the guard orders it, here and below
  // Before anything is announced: a refused release changes nothing.
  if (count > w.most - now)
    throw config_error("semaphore: release of " + std::to_string(count) + " where "
                       + std::to_string(now) + " of at most " + std::to_string(w.most)
                       + " are there: more releases than acquires");
  held.announce(w.waiters);
  BULKHEAD_HOOK("ipc.committing");
  w.number.store(now + count, std::memory_order_relaxed); // see above
  BULKHEAD_HOOK("ipc.committed");
}

std::uint64_t semaphore_base::value() const noexcept {
  return words<counter_words>().number.load(std::memory_order_relaxed); // a hint
}

} // namespace bulkhead::detail
