#pragma once

#include <bulkhead/detail/completion_queue.hpp>
#include <bulkhead/detail/future_base.hpp>

#include <cstddef>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

namespace bulkhead::detail {

/// Watches futures for as long as it lives; what it leaves behind in them ends with it.
class future_watcher {
public:
  /// Rings `bell`, an eventfd, for each that is ready; -1: none. Borrowed for the watcher's life.
  explicit future_watcher(int bell = -1) : queue_(std::make_shared<completion_queue>(bell)) {}
  future_watcher(future_watcher&&) noexcept = default;
  future_watcher& operator=(future_watcher&&) = delete;
  ~future_watcher() {
    for (auto& [base, where] : watched_)
      if (base)
        base->unwatch(where);
  }

  void add(std::shared_ptr<future_base> base, std::size_t index) {
    if (watched_.size() == watched_.capacity()) // nothing may fail between watch and its note
      watched_.reserve(2 * watched_.size() + 1);
    const auto where = base->watch(queue_, index);
    watched_.emplace_back(std::move(base), where);
  }
  /// The index of the next one that is ready; empty when none is before the deadline.
  std::optional<std::size_t> next(time_point deadline) { return queue_->pop(deadline); }
  /// Lets go of the state of the future that was added as the `position`th.
  void forget(std::size_t position) noexcept {
    auto& [base, where] = watched_[position];
    base->unwatch(where);
    base.reset();
  }

private:
  std::shared_ptr<completion_queue> queue_;
  std::vector<std::pair<std::shared_ptr<future_base>, future_base::watch_list::iterator>> watched_;
};

} // namespace bulkhead::detail
