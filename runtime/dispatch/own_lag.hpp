#pragma once

#include <algorithm>
#include <chrono>

namespace bulkhead::runtime {

/// The host itself was suspended or starved and looks at its workers late: they had no fair chance
/// in that time, so it counts against nobody. A plain value; `now` is when the host looks. What
/// somebody set after the pause and before this look is moved by no more than fits.
struct own_lag {
  using time_point = std::chrono::steady_clock::time_point;

  time_point now;
  std::chrono::nanoseconds lag{}; ///< 0 or more

  /// When something began, at `now` at the latest; time_point{}: it has not, and stays so.
  time_point began(time_point at) const noexcept {
    return at == time_point{} ? at : std::min(at + lag, now);
  }

  /// When a patience of `longest`, which began at `now` at the latest, ends; time_point::max():
  /// there is none, and stays so.
  time_point ends(time_point at, std::chrono::nanoseconds longest) const noexcept {
    return at == time_point::max() ? at : std::min(at + lag, now + longest);
  }
};

} // namespace bulkhead::runtime
