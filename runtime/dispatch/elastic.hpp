#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>

namespace bulkhead::runtime {

/// How many workers a pool is to have for its work, between bounds: at once as many as there are
/// tasks without an outcome; fewer where for a whole period there were never so many. A plain value
/// with the time passed in. Invariant: what it answers is within the bounds where what it was given
/// was, and below what it was given only at a look.
class elastic {
public:
  using time_point = std::chrono::steady_clock::time_point;

  elastic(std::size_t least, std::size_t most, std::chrono::nanoseconds period) noexcept
    : least_(least), most_(most), period_(period) {}

  /// The bounds leave a choice.
  bool is_elastic() const noexcept { return least_ != most_; }
  bool allows(std::size_t workers) const noexcept { return workers >= least_ && workers <= most_; }
  std::size_t least() const noexcept { return least_; }
  std::size_t most() const noexcept { return most_; }

  /// For so many tasks that wait or run, where `target` workers were wanted.
  std::size_t on_load(std::size_t target, std::size_t tasks) noexcept {
    busiest_ = std::max(busiest_, tasks);
    return std::max(target, std::min(most_, tasks));
  }

  /// When to look whether there are too many workers; max(): nothing can follow from a look.
  time_point next_look(std::size_t target, time_point now) noexcept {
    if (target <= least_)
      next_ = time_point::max();
    else if (next_ == time_point::max())
      next_ = now + period_;
    return next_;
  }

  std::size_t on_look(std::size_t target, std::size_t tasks, time_point now) noexcept {
    if (now < next_ || next_ == time_point::max())
      return target;
    const auto needed = std::max({least_, busiest_, tasks});
    busiest_ = tasks;
    next_ = time_point::max();
    return std::min(target, needed);
  }

private:
  std::size_t least_;
  std::size_t most_;
  std::chrono::nanoseconds period_;
  std::size_t busiest_ = 0; ///< most tasks at a time since the last look
  time_point next_ = time_point::max();
};

} // namespace bulkhead::runtime
