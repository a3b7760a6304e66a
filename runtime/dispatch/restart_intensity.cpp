#include "runtime/dispatch/restart_intensity.hpp"

#include <algorithm>

namespace bulkhead::runtime {

restart_intensity::restart_intensity(const restart_policy& policy, std::size_t workers)
  : max_restarts_(policy.max_restarts.value_or(10 + 4 * workers)),
    max_start_failures_(std::min(max_restarts_, workers + 4)), within_(policy.within),
    backoff_initial_(policy.backoff_initial), backoff_max_(policy.backoff_max) {}

restart_intensity::verdict restart_intensity::on_death(time_point now, bool was_ready,
                                                       double random) {
  while (!deaths_.empty() && now - deaths_.front() > within_)
    deaths_.pop_front();
  deaths_.push_back(now);
  if (!was_ready)
    ++start_failures_;
  // Deaths before ready also count in a row: the back-off would spread them so far that the
  // intensity is never exceeded.
  if (deaths_.size() > max_restarts_ || start_failures_ > max_start_failures_)
    return {true, {}};
  // The first death is replaced at once; then the back-off doubles with each one in the period.
  auto wait = std::chrono::nanoseconds{0};
  if (deaths_.size() > 1) {
    wait = std::min(backoff_initial_, backoff_max_);
    for (std::size_t i = 2; i < deaths_.size() && wait < backoff_max_; ++i)
      wait = std::min(wait * 2, backoff_max_);
  }
  const auto jitter = 0.75 + 0.5 * random;
  return {false, std::chrono::nanoseconds{
                   static_cast<std::int64_t>(static_cast<double>(wait.count()) * jitter)}};
}

} // namespace bulkhead::runtime
