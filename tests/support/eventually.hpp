#pragma once

#include <chrono>
#include <thread>

namespace bulkhead::tests {

/// Whether `claim()` comes true before a watchdog's time is over.
template <class F>
bool eventually(F claim, std::chrono::seconds patience = std::chrono::seconds{20}) {
  const auto limit = std::chrono::steady_clock::now() + patience;
  while (!claim()) {
    if (std::chrono::steady_clock::now() >= limit)
      return false;
    std::this_thread::sleep_for(std::chrono::microseconds{200}); // leave the core to others
  }
  return true;
}

} // namespace bulkhead::tests
