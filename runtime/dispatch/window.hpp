#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>

namespace bulkhead::runtime {

/// How many frames one worker may hold unanswered. Adapts to running times, so that a worker has
/// about `horizon` of work in its ring: enough to hide a wake-up, little enough to move on.
class window {
public:
  static constexpr std::chrono::nanoseconds horizon{400'000};
  static constexpr std::size_t smallest = 2;
  static constexpr std::size_t largest = 1024;

  /// A frame was answered after running for so long.
  void learn(std::chrono::nanoseconds ran) noexcept {
    const auto ns = std::clamp<std::int64_t>(ran.count(), 1, std::int64_t{1} << 40);
    mean_ = mean_ == 0 ? ns : mean_ + (ns - mean_) / 8;
    mean_ = std::max<std::int64_t>(mean_, 1);
  }

  std::chrono::nanoseconds mean() const noexcept { return std::chrono::nanoseconds{mean_}; }

  std::size_t size() const noexcept {
    if (mean_ == 0)
      return smallest;
    const auto fits = static_cast<std::size_t>(horizon.count() / mean_);
    return std::clamp(fits, smallest, largest);
  }

private:
  std::int64_t mean_ = 0; // ns; 0: nothing learnt yet
};

} // namespace bulkhead::runtime
