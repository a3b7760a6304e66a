#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>

namespace bulkhead::runtime {

inline void cpu_pause() noexcept {
#if defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

/// How long a side may spin for `peers` others: a core must be left for each, or spinning only
/// takes the time that they need.
constexpr std::chrono::nanoseconds longest_spin(std::size_t cores, std::size_t peers = 1) noexcept {
  return std::chrono::microseconds{cores > 1 && peers <= cores ? 50 : 0};
}

/// A bounded spin before a sleep, by time. It adapts: a spin that was worth it doubles the budget
/// up to the longest, one that was not halves it, and a short one in vain ends the spinning. Two
/// sides may both have learnt not to spin because the other does not, so now and then one tries the
/// longest. Longest 0: never spins.
class spinner {
public:
  explicit spinner(std::chrono::nanoseconds longest) noexcept
    : longest_(longest), budget_(longest) {}

  template <class Ready>
  bool spin(Ready&& ready) {
    if (ready())
      return true;
    if (++calls_ % try_again == 0)
      budget_ = longest_;
    if (budget_.count() == 0)
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
    budget_ = budget_ > longest_ / 16 ? budget_ / 2 : std::chrono::nanoseconds{0};
    return false;
  }

private:
  /// Of the calls that find nothing at once; seldom enough to leave the 99th percentile alone.
  static constexpr std::uint32_t try_again = 128;

  std::chrono::nanoseconds longest_;
  std::chrono::nanoseconds budget_;
  std::uint32_t calls_ = 0;
};

} // namespace bulkhead::runtime
