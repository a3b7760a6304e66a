#pragma once

#include <bulkhead/observe/snapshot.hpp>

#include <chrono>
#include <deque>
#include <vector>

namespace bulkhead::observe::detail {

/// How a pool was over its whole life, in a bounded number of points: where there are too many,
/// every second one goes and the distance doubles. And its rate over the last seconds. A plain
/// value.
class history {
public:
  static constexpr std::size_t most_points = 600;
  static constexpr std::chrono::seconds rate_over{3};

  void add(const point& now);
  const std::vector<point>& points() const noexcept { return points_; }
  double tasks_a_second() const noexcept;

private:
  std::vector<point> points_; ///< the last of them is now, whatever its distance
  std::chrono::nanoseconds distance_{0};
  std::deque<point> recent_;
};

} // namespace bulkhead::observe::detail
