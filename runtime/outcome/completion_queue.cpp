#include <bulkhead/detail/completion_queue.hpp>

#include "runtime/system/bell.hpp"

namespace bulkhead::detail {

void completion_queue::push(std::list<std::size_t>&& index) noexcept {
  const std::lock_guard lock{mutex_};
  order_.splice(order_.end(), index);
  changed_.notify_one();
  if (bell_ >= 0)
    runtime::ring(bell_);
}

std::optional<std::size_t> completion_queue::pop(time_point deadline) {
  std::unique_lock lock{mutex_};
  // Under the mutex, as push() fills it: no arrival is slept over.
  const auto some = [this] { return !order_.empty(); };
  if (deadline == time_point::max())
    changed_.wait(lock, some);
  else if (!changed_.wait_until(lock, deadline, some))
    return std::nullopt;
  const auto first = order_.front();
  order_.pop_front();
  return first;
}

} // namespace bulkhead::detail
