#pragma once

#include <bulkhead/supervisor_options.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>

namespace bulkhead::actors {

/// Restart intensity: how many restarts a supervisor has had in its period, after Erlang/OTP's
/// add_restart. A plain value; at most `max_restarts` restarts that were allowed lie in any period.
class restart_budget {
public:
  using time_point = std::chrono::steady_clock::time_point;

  explicit restart_budget(const supervisor_options& options);

  /// Whether one more restart is allowed. `death`: the same number for children that one event
  /// ended, which count once; 0: of its own.
  bool allows(time_point now, std::uint64_t death);

  /// The wait before the restart that was allowed last; `spread` in [0, 1).
  std::chrono::nanoseconds back_off(double spread) const;

private:
  struct restart {
    time_point at;
    std::uint64_t death = 0;
  };
  std::size_t max_restarts_;
  std::chrono::nanoseconds within_;
  std::chrono::nanoseconds backoff_initial_;
  std::chrono::nanoseconds backoff_max_;
  std::deque<restart> recent_; // inside the period, oldest first
};

} // namespace bulkhead::actors
