#include "tests/support/leak_guard.hpp"

#include <bulkhead/pool.hpp>

namespace bulkhead::tests {

void leak_guard::warm_up() {
  [[maybe_unused]] static const bool once = [] {
    pool first({.workers = 1, .name = "warm-up"});
    first.apply([] {});
    return true;
  }();
}

} // namespace bulkhead::tests
