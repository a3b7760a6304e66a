#pragma once

#include "actors/caf/version.hpp"

#if !BULKHEAD_CAF_0

#  include <caf/action.hpp>
#  include <caf/actor_clock.hpp>

#  include <algorithm>
#  include <cstddef>
#  include <map>
#  include <optional>

namespace bulkhead::actors {

/// The timers of a CAF 1.x clock that has no thread. Not thread-safe.
class timer_list {
public:
  using time_point = caf::actor_clock::time_point;

  void add(time_point due, caf::action what) {
    // Most timers are time-outs of requests that were answered long before.
    if (timers_.size() >= sweep_at_) {
      std::erase_if(timers_, [](const auto& t) { return t.second.disposed(); });
      sweep_at_ = std::max<std::size_t>(64, 2 * timers_.size());
    }
    timers_.emplace(due, std::move(what));
  }

  /// When the next one is due.
  std::optional<time_point> next() {
    while (!timers_.empty() && timers_.begin()->second.disposed())
      timers_.erase(timers_.begin());
    return timers_.empty() ? std::nullopt : std::optional{timers_.begin()->first};
  }

  /// Takes out one that is due; null where none is.
  caf::action take(time_point now) {
    const auto due = next();
    if (!due || *due > now)
      return {};
    auto what = std::move(timers_.begin()->second);
    timers_.erase(timers_.begin());
    return what;
  }

  void clear() { timers_.clear(); }

private:
  std::multimap<time_point, caf::action> timers_;
  std::size_t sweep_at_ = 64;
};

} // namespace bulkhead::actors

#endif
