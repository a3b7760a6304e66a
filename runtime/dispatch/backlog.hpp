#pragma once

#include "runtime/dispatch/unit.hpp"

#include <cstddef>
#include <functional>
#include <map>
#include <memory>

namespace bulkhead::runtime {

/// The bounded queue of tasks that wait for a worker: by priority, first in first out within one.
/// Its capacity counts items, and bytes of arguments. Guarded by the pool's lock.
class backlog {
public:
  backlog(std::size_t capacity, std::size_t capacity_bytes) noexcept
    : capacity_(capacity), capacity_bytes_(capacity_bytes) {}

  /// True when a unit of so many items and bytes may enter. A unit larger than the whole capacity
  /// may enter an empty backlog.
  bool has_room(std::size_t items, std::size_t bytes) const noexcept;

  /// So that pushing the unit cannot fail. Throws std::bad_alloc.
  void make_room(const unit& u);
  void push_back(std::unique_ptr<unit> u);
  /// For units that come back: before all others of their priority; capacity does not apply.
  void push_front(std::unique_ptr<unit> u);

  /// The first unit for which `wanted` holds, or null.
  unit* find(const std::function<bool(const unit&)>& wanted) const;
  unit* front() const noexcept;
  std::unique_ptr<unit> remove(unit& u);

  bool empty() const noexcept { return units_ == 0; }
  std::size_t items() const noexcept { return items_; }
  std::size_t units() const noexcept { return units_; }
  std::size_t bytes() const noexcept { return bytes_; }

private:
  unit_list& list_of(const unit& u);
  void count(const unit& u) noexcept;

  std::size_t capacity_;
  std::size_t capacity_bytes_;
  std::map<int, unit_list, std::greater<>> lists_; // by priority, highest first
  std::size_t items_ = 0;
  std::size_t units_ = 0;
  std::size_t bytes_ = 0;
};

} // namespace bulkhead::runtime
