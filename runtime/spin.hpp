#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>

namespace bulkhead::runtime {

inline void cpu_pause() noexcept {
#if defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

/// A bounded spin before a sleep, by time. It adapts: a spin that was worth it doubles the budget
/// up to the longest, one that was not halves it. Longest 0: never spins.
class spinner {
public:
  explicit spinner(std::chrono::nanoseconds longest) noexcept
    : longest_(longest), budget_(longest) {}

  template <class Ready>
  bool spin(Ready&& ready) {
    if (ready())
      return true;
    if (longest_.count() == 0)
      return false;
    const auto end = std::chrono::steady_clock::now() + budget_;
    do {
      for (int i = 0; i < 16; ++i) {
        if (ready()) {
          budget_ = std::min(longest_, budget_ * 2);
          return true;
        }
        cpu_pause();
      }
    } while (std::chrono::steady_clock::now() < end);
    budget_ = std::max(longest_ / 16, budget_ / 2);
    return false;
  }

private:
  std::chrono::nanoseconds longest_;
  std::chrono::nanoseconds budget_;
};

} // namespace bulkhead::runtime
