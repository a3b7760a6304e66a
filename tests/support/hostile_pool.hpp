#pragma once

#include <bulkhead/options.hpp>

#include <chrono>
#include <cstdlib>

namespace bulkhead::tests {

/// How long a test waits for what must happen. Shorter where a check is broken on purpose, so that
/// what never happens is found soon.
inline std::chrono::milliseconds patience() {
  const char* given = std::getenv("BULKHEAD_TEST_PATIENCE_MS");
  return std::chrono::milliseconds{given == nullptr ? 60'000 : std::atoi(given)};
}

/// With an answer's bounds low enough to be reached soon.
inline pool_options two_workers() {
  pool_options o;
  o.workers = 2;
  o.queue_bytes = std::size_t{1} << 20;
  return o;
}

} // namespace bulkhead::tests
