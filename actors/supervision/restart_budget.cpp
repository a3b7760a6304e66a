#include "actors/supervision/restart_budget.hpp"

#include <algorithm>

namespace bulkhead::actors {

restart_budget::restart_budget(const supervisor_options& options)
  : max_restarts_(options.max_restarts), within_(options.within),
    backoff_initial_(options.backoff_initial), backoff_max_(options.backoff_max) {}

bool restart_budget::allows(time_point now, std::uint64_t death) {
  while (!recent_.empty() && now - recent_.front().at > within_)
    recent_.pop_front();
  // All children that one process took along are one restart; with each counted for itself, the
  // first crash of a full worker would exceed any intensity.
  const auto same = [&](const restart& r) { return r.death == death; };
  if (death != 0 && std::any_of(recent_.begin(), recent_.end(), same))
    return true;
  if (recent_.size() >= max_restarts_)
    return false;
  recent_.push_back({now, death});
  return true;
}

// The first restart within the period is at once. From the second on the wait doubles, and is
// spread by a quarter to both sides, so that children which failed together do not start together
// again.
std::chrono::nanoseconds restart_budget::back_off(double spread) const {
  if (recent_.size() < 2 || backoff_initial_.count() == 0)
    return {};
  auto wait = std::min(backoff_initial_, backoff_max_);
  // Compared before it is doubled, which could overflow.
  for (std::size_t i = 2; i < recent_.size() && wait < backoff_max_; ++i)
    wait = wait > backoff_max_ / 2 ? backoff_max_ : wait * 2;
  const auto spread_wait = static_cast<double>(wait.count()) * (0.75 + 0.5 * spread);
  return std::chrono::nanoseconds{static_cast<std::int64_t>(spread_wait)};
}

} // namespace bulkhead::actors
