#include "runtime/this_process/process_state.hpp"

#include "runtime/this_process/own_process.hpp"

#include <atomic>

namespace bulkhead::runtime {

namespace {
std::atomic<process_state*> current{nullptr};
}

process_state& process_state::mine() {
  own_process::require();
  const auto identity = own_process::identity();
  auto* seen = current.load(std::memory_order_acquire); // pairs with the exchange below
  while (seen == nullptr || seen->identity != identity) {
    auto fresh = std::make_unique<process_state>();
    fresh->identity = identity;
    // acq_rel: publishes the new state to the acquire loads of other threads.
    if (current.compare_exchange_strong(seen, fresh.get(), std::memory_order_acq_rel))
      seen = fresh.release();
  }
  return *seen;
}

} // namespace bulkhead::runtime
