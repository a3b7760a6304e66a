#include "runtime/this_process/process_state.hpp"

#include "runtime/this_process/own_process.hpp"

#include <atomic>
#include <new>

namespace bulkhead::runtime {

namespace {
std::atomic<process_state*> current{nullptr};
}

process_state& process_state::mine() {
  own_process::require();
  const auto identity = own_process::identity();
  auto* seen = current.load(std::memory_order_acquire); // pairs with the exchange below
  // After fork() the copy makes a state of its own. The old one is left as it is: threads that are
  // not here may hold its locks.
  while (seen == nullptr || seen->identity != identity) {
    auto fresh = std::make_unique<process_state>();
    fresh->identity = identity;
    // acq_rel: publishes the new state to the acquire loads of other threads.
    if (current.compare_exchange_strong(seen, fresh.get(), std::memory_order_acq_rel))
      seen = fresh.release();
  }
  return *seen;
}

// Those that have gone are taken out when there is no room for one more: that costs each launch a
// constant time.
void process_state::note_child(const std::shared_ptr<child>& made) noexcept try {
  const std::lock_guard lock{mutex};
  if (children.size() == children.capacity()) {
    std::erase_if(children, [](const auto& each) { return each.expired(); });
    children.reserve(2 * children.size() + 8);
  }
  children.push_back(made);
} catch (const std::bad_alloc&) {
  return;
}

// A thread that is not here may have held the lock: then they stay open.
void process_state::leave_to_parent() noexcept {
  auto* inherited = current.load(std::memory_order_relaxed); // single-threaded
  if (inherited == nullptr || !inherited->mutex.try_lock())
    return;
  inherited->common.reset();
  inherited->mutex.unlock();
}

} // namespace bulkhead::runtime
