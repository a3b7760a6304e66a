#include "runtime/outcome/gathered.hpp"

#include <utility>

namespace bulkhead::runtime {

void gathered::on_value(std::uint64_t item, std::span<const std::byte> result) noexcept {
  take(item)->on_value(0, result);
}

void gathered::on_failure(std::uint64_t item, failure&& f) noexcept {
  take(item)->on_failure(0, std::move(f));
}

void gathered::on_large_value(std::uint64_t item, detail::buffer&& result) noexcept {
  take(item)->on_large_value(0, std::move(result));
}

void gathered::moved(void* place, std::uint64_t first, std::uint64_t items) noexcept {
  for (auto i = first; i < first + items; ++i)
    if (tasks_[i])
      tasks_[i]->placed(place, first_id_ + i);
}

bool gathered::tells(const task_sink& one, std::uint64_t item) const noexcept {
  return item < tasks_.size() && tasks_[item].get() == &one;
}

// It has its outcome in a moment, and the unit is its place no more.
std::shared_ptr<detail::task_sink> gathered::take(std::uint64_t item) noexcept {
  auto one = std::move(tasks_[item]);
  one->placed(nullptr, first_id_ + item);
  return one;
}

} // namespace bulkhead::runtime
