#include <bulkhead/event.hpp>

#include "runtime/ipc/counters.hpp"
#include "runtime/testing/hooks.hpp"

namespace bulkhead {

using runtime::counter_words;
using runtime::monitor;

// number: how often it was set, times 2, plus 1 while it is set.

event::event()
  : shared_object(detail::shared_kind::event, "bulkhead-event", sizeof(counter_words)) {
  words<counter_words>().access.init();
}

void event::set() {
  auto& w = words<counter_words>();
  monitor::guard held{w.access, detail::time_point::max()};
  runtime::require_held(held);
  const auto now = w.number.load(std::memory_order_relaxed); // written under the lock only
  if ((now & 1) != 0)
    return;
  held.announce(w.waiters);
  BULKHEAD_HOOK("ipc.committing");
  // release: partner of the acquire in is_set(), which takes no lock.
  w.number.store(now + 3, std::memory_order_release);
  BULKHEAD_HOOK("ipc.committed");
}

void event::clear() {
  auto& w = words<counter_words>();
  monitor::guard held{w.access, detail::time_point::max()};
  runtime::require_held(held);
  const auto now = w.number.load(std::memory_order_relaxed); // written under the guard alone
  // release: what was done before clear() is seen by who sees it cleared.
  w.number.store(now & ~std::uint64_t{1}, std::memory_order_release);
}

bool event::is_set() const noexcept {
  // acquire: what was written before set() is seen.
  return (words<counter_words>().number.load(std::memory_order_acquire) & 1) != 0;
}

detail::awaited_word event::sleep_word() const {
  auto& w = words<counter_words>();
  monitor::guard held{w.access, detail::time_point::max()};
  runtime::require_held(held);
  if (is_set())
    return {};
  return {&w.waiters.turn, held.expect(w.waiters)};
}

bool event::wait_until_set(detail::time_point deadline) const {
  if (is_set())
    return true;
  auto& w = words<counter_words>();
  monitor::guard held{w.access, deadline};
  if (!held && deadline == detail::time_point::max())
    runtime::require_held(held);
  if (!held)
    return is_set();
  const auto times = w.number.load(std::memory_order_relaxed) >> 1; // the guard orders it
  const auto was_set = [&] {
    const auto now = w.number.load(std::memory_order_acquire); // as in is_set()
    return (now & 1) != 0 || now >> 1 != times;
  };
  while (!was_set())
    if (!held.wait(w.waiters, deadline))
      return was_set();
  return true;
}

} // namespace bulkhead
