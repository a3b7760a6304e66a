#pragma once

#include <bulkhead/options.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>

namespace bulkhead::runtime {

/// Decides whether, and after which back-off, a worker is replaced. A pure step of state, event
/// and time, after Erlang/OTP's supervisor:add_restart/1: more than `max_restarts` in `within`
/// gives up. Deaths before a worker was ready also count in a row: a program that cannot start
/// breaks the pool soon instead of looping.
class restart_intensity {
public:
  using time_point = std::chrono::steady_clock::time_point;

  restart_intensity(const restart_policy& policy, std::size_t workers);

  struct verdict {
    bool give_up = false;
    std::chrono::nanoseconds wait{}; ///< back-off before the replacement
  };

  /// A worker died and no task explains it. `random` in [0, 1) spreads the back-off by a quarter.
  verdict on_death(time_point now, bool was_ready, double random);

  /// A worker became ready: starting works.
  void on_ready() noexcept { start_failures_ = 0; }

  std::size_t recent() const noexcept { return deaths_.size(); }
  std::size_t limit() const noexcept { return max_restarts_; }

private:
  std::size_t max_restarts_;
  std::size_t max_start_failures_;
  std::chrono::nanoseconds within_;
  std::chrono::nanoseconds backoff_initial_;
  std::chrono::nanoseconds backoff_max_;
  std::deque<time_point> deaths_; // inside the period, at most max_restarts_ + 1
  std::size_t start_failures_ = 0;
};

} // namespace bulkhead::runtime
