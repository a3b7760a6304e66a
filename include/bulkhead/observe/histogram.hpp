#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>

namespace bulkhead::observe {

/// How many times fell into which range. The ranges are the same for all: from a microsecond to
/// five minutes, three a decade. A plain value.
class histogram {
public:
  /// Upper bounds of all ranges but the last, in seconds; a time equal to a bound belongs below it.
  static constexpr std::array<double, 26> bounds{
    1e-6, 2e-6, 5e-6, 1e-5, 2e-5, 5e-5, 1e-4, 2e-4, 5e-4, 1e-3, 2e-3, 5e-3, 1e-2,
    2e-2, 5e-2, 0.1,  0.2,  0.5,  1,    2,    5,    10,   20,   50,   100,  300};

  void add(std::chrono::nanoseconds time, std::uint64_t times = 1) noexcept;

  std::uint64_t count() const noexcept { return count_; }
  double sum_seconds() const noexcept { return sum_; }
  /// Of each range, the last one without a bound.
  const std::array<std::uint64_t, bounds.size() + 1>& counts() const noexcept { return counts_; }
  /// A time that the share `q` (0 to 1) of all times does not exceed, in seconds, interpolated
  /// within its range; 0 where there is none.
  double quantile(double q) const noexcept;

private:
  std::array<std::uint64_t, bounds.size() + 1> counts_{};
  std::uint64_t count_ = 0;
  double sum_ = 0;
};

} // namespace bulkhead::observe
