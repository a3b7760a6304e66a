#pragma once

#include "runtime/dispatch/unit.hpp"

#include <cstddef>
#include <functional>
#include <map>
#include <memory>
#include <vector>

namespace bulkhead::runtime {

/// The bounded queue of tasks that wait for a worker: by priority, first in first out within one.
/// Its capacity counts items, and bytes of arguments. Guarded by the pool's lock.
class backlog {
public:
  backlog(std::size_t capacity, std::size_t capacity_bytes)
    : capacity_(capacity), capacity_bytes_(capacity_bytes) {
    lists_[0]; // for good: where there is no memory, every unit may wait there
  }

  /// True when a unit of so many items and bytes may enter. A unit larger than the whole capacity
  /// may enter an empty backlog.
  bool has_room(std::size_t items, std::size_t bytes) const noexcept;

  /// So that the unit will find the list of its priority. Throws std::bad_alloc.
  void make_room(const unit& u);
  /// Without memory for a list of its own priority a unit waits among those of priority 0.
  void push_back(std::unique_ptr<unit> u) noexcept;
  /// For units that come back: before all others of their priority; capacity does not apply.
  void push_front(std::unique_ptr<unit> u) noexcept;
  /// How many priorities have a list now: those of waiting units, and 0.
  std::size_t priorities() const noexcept { return lists_.size(); }

  /// The first unit for which `wanted` holds, or null.
  unit* find(const std::function<bool(const unit&)>& wanted) const;
  /// All units for which `wanted` holds. Throws std::bad_alloc.
  std::vector<unit*> all(const std::function<bool(const unit&)>& wanted) const;
  unit* front() const noexcept;
  std::unique_ptr<unit> remove(unit& u);

  bool empty() const noexcept { return units_ == 0; }
  std::size_t items() const noexcept { return items_; }
  std::size_t units() const noexcept { return units_; }
  std::size_t bytes() const noexcept { return bytes_; }

private:
  unit_list& list_for(unit& u) noexcept;
  unit_list& list_at(int priority);
  void count(const unit& u) noexcept;

  std::size_t capacity_;
  std::size_t capacity_bytes_;
  using list_map = std::map<int, unit_list, std::greater<>>;
  list_map lists_;            ///< by priority, highest first; none is empty but that of priority 0
  list_map::node_type spare_; ///< of a list that became empty
  std::size_t items_ = 0;
  std::size_t units_ = 0;
  std::size_t bytes_ = 0;
};

} // namespace bulkhead::runtime
