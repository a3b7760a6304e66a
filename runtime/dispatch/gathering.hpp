#pragma once

#include <bulkhead/detail/onlooker.hpp>

#include <algorithm>
#include <chrono>
#include <cstdint>

namespace bulkhead::runtime {

/// When tasks that were submitted one by one travel in one unit: where they are short, and workers
/// have enough to do until the next answers are read. Then a task costs its bytes, and what a unit
/// costs (memory, a frame, a look for a worker) is paid once for many. A plain value, for the
/// function that was measured last.
///
/// Invariant: what travels together takes at most about `longest_unit`, as far as the function's
/// tasks take what they took lately.
class gathering {
public:
  static constexpr std::chrono::nanoseconds longest_task{20'000};
  static constexpr std::chrono::nanoseconds longest_unit{50'000};
  static constexpr std::uint32_t most_items = 256;
  /// A worker with so much to do is not idle before whoever reads its answers is awake.
  static constexpr std::chrono::nanoseconds hides_a_wake_up{25'000};
  static constexpr std::uint32_t least_ahead = 4;
  static constexpr std::uint32_t most_ahead = 16;

  /// A task of that function ran for so long.
  void learn(const detail::called& what, std::chrono::nanoseconds ran) noexcept {
    const auto ns = std::clamp<std::int64_t>(ran.count(), 1, std::int64_t{1} << 40);
    mean_ = what == what_ ? mean_ + (ns - mean_) / 4 : ns;
    mean_ = std::max<std::int64_t>(mean_, 1);
    what_ = what;
  }

  /// How many of its tasks may travel together; 1: each goes alone.
  std::uint32_t most(const detail::called& what) const noexcept {
    if (mean_ == 0 || !(what == what_) || mean_ > longest_task.count())
      return 1;
    return static_cast<std::uint32_t>(
      std::clamp<std::int64_t>(longest_unit.count() / mean_, 1, most_items));
  }

  /// With so many tasks unanswered a worker can wait for a unit that may still grow. Only where
  /// most() is more than 1.
  std::uint32_t ahead() const noexcept {
    return static_cast<std::uint32_t>(
      std::clamp<std::int64_t>(hides_a_wake_up.count() / mean_, least_ahead, most_ahead));
  }

private:
  detail::called what_;
  std::int64_t mean_ = 0; ///< ns; 0: nothing learnt yet
};

} // namespace bulkhead::runtime
