#include <bulkhead/pool.hpp>

#include <atomic>

namespace bulkhead {

namespace {

/// Never deleted: nobody knows who still uses it, and at the end of the process its workers end
/// without it. `before` keeps the older ones within reach of leak checkers.
struct kept_pool {
  pool made;
  kept_pool* before;
};

std::atomic<kept_pool*> newest{nullptr};

bool serves(kept_pool* kept) {
  return kept != nullptr && kept->made.core()->is_of_own_process() && kept->made.core()->is_open();
}

} // namespace

// Without a lock, which a forked copy of the process might find taken for ever.
pool& default_pool() {
  // acquire: the pool was made before its address was stored.
  auto* kept = newest.load(std::memory_order_acquire);
  while (!serves(kept)) {
    auto* const mine = new kept_pool{pool{{.name = "default"}}, kept};
    // acq_rel: as above, for those who find ours, and for us where another thread was first.
    if (newest.compare_exchange_strong(kept, mine, std::memory_order_acq_rel))
      return mine->made;
    delete mine;
  }
  return kept->made;
}

} // namespace bulkhead
