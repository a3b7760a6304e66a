#include <bulkhead/observe/histogram.hpp>

#include <algorithm>

namespace bulkhead::observe {

void histogram::add(std::chrono::nanoseconds time, std::uint64_t times) noexcept {
  const auto seconds = std::chrono::duration<double>(time).count();
  const auto range = std::lower_bound(bounds.begin(), bounds.end(), seconds) - bounds.begin();
  counts_[static_cast<std::size_t>(range)] += times;
  count_ += times;
  sum_ += seconds * static_cast<double>(times);
}

double histogram::quantile(double q) const noexcept {
  const auto wanted = std::clamp(q, 0.0, 1.0) * static_cast<double>(count_);
  double below = 0;
  for (std::size_t i = 0; i < counts_.size(); ++i) {
    const auto here = static_cast<double>(counts_[i]);
    if (here == 0 || below + here < wanted) {
      below += here;
      continue;
    }
    const auto from = i == 0 ? 0.0 : bounds[i - 1];
    const auto to = i < bounds.size() ? bounds[i] : from;
    return from + (to - from) * std::max(0.0, wanted - below) / here;
  }
  return 0;
}

} // namespace bulkhead::observe
