#include "observe/model/history.hpp"

namespace bulkhead::observe::detail {

void history::add(const point& now) {
  if (points_.size() > 1 && points_.back().at - points_[points_.size() - 2].at < distance_)
    points_.back() = now;
  else
    points_.push_back(now);
  if (points_.size() > most_points) {
    std::vector<point> fewer;
    for (std::size_t i = 0; i < points_.size(); i += 2)
      fewer.push_back(points_[i]);
    if (points_.size() % 2 == 0)
      fewer.push_back(points_.back());
    points_ = std::move(fewer);
    distance_ = (points_.back().at - points_.front().at) / static_cast<long>(most_points / 2);
  }
  recent_.push_back(now);
  while (recent_.size() > 2 && now.at - recent_[1].at >= rate_over)
    recent_.pop_front();
}

double history::tasks_a_second() const noexcept {
  if (recent_.size() < 2)
    return 0;
  const auto& from = recent_.front();
  const auto& to = recent_.back();
  const auto took = std::chrono::duration<double>(to.at - from.at).count();
  return took <= 0 ? 0 : static_cast<double>(to.done - from.done) / took;
}

} // namespace bulkhead::observe::detail
