#pragma once

#include "runtime/dispatch/unit.hpp"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <vector>

namespace bulkhead::runtime {

/// The bounded queue of tasks that wait for a worker: by priority, first in first out within one.
/// Its capacity counts items, and bytes of arguments. Tasks that only one worker may run (their key
/// is its own, or they are a broadcast's) wait in a lane for it, so that those of a busy worker
/// cost the others nothing: finding the next task looks at the heads of lanes alone.
///
/// Invariant: the counts are those of the units in the lists; within a lane, and among the heads
/// that may go, the order is that of arrival. Guarded by the pool's lock.
class backlog {
public:
  /// The worker that a unit is for; any_worker: whoever has room; no_worker: none serves now.
  using lane_id = std::size_t;
  static constexpr lane_id any_worker = 0;
  static constexpr lane_id no_worker = SIZE_MAX;

  using question = std::function<bool(const unit&)>;

  backlog(std::size_t capacity, std::size_t capacity_bytes)
    : capacity_(capacity), capacity_bytes_(capacity_bytes) {
    shelves_[0]; // for good: where there is no memory, every unit may wait there
  }

  /// True when a unit of so many items and bytes may enter. A unit larger than the whole capacity
  /// may enter an empty backlog.
  bool has_room(std::size_t items, std::size_t bytes) const noexcept;

  /// So that the unit will find the list of its priority and lane. Throws std::bad_alloc.
  void make_room(const unit& u, lane_id lane = any_worker);
  /// Without memory for a list of its own a unit waits among those for any worker, or those of
  /// priority 0.
  void push_back(std::unique_ptr<unit> u, lane_id lane = any_worker) noexcept;
  /// For units that come back: before all others of their priority; capacity does not apply.
  void push_front(std::unique_ptr<unit> u, lane_id lane = any_worker) noexcept;
  /// How many priorities have a list now: those of waiting units, and 0.
  std::size_t priorities() const noexcept { return shelves_.size(); }

  /// The first unit that `goes`, of those that are the first of their lane; or null. Where the
  /// first for any worker does not go, those of lower priorities behind it do not either.
  unit* first(const question& goes) const;
  /// The first unit for which `wanted` holds, or null. Looks through all.
  unit* find(const question& wanted) const;
  /// All units for which `wanted` holds. Throws std::bad_alloc.
  std::vector<unit*> all(const question& wanted) const;
  unit* front() const noexcept;
  /// Of the lowest priority the unit that came first; null where none waits.
  unit* oldest() const noexcept;
  std::unique_ptr<unit> remove(unit& u);

  /// One more item, whose arguments are already in its body.
  void grow(unit& u, std::size_t bytes) noexcept;
  /// Cuts the items from `first` on off a unit that waits for any worker; they wait behind it.
  /// Throws std::bad_alloc before anything has changed.
  unit& cut(unit& u, std::uint32_t first);

  /// How many wait in a lane of their own.
  std::size_t in_lanes() const noexcept { return in_lanes_; }
  /// Puts each of them into the lane that it has now, in the order of arrival.
  void sort_lanes(const std::function<lane_id(const unit&)>& lane_of) noexcept;

  bool empty() const noexcept { return units_ == 0; }
  std::size_t items() const noexcept { return items_; }
  std::size_t units() const noexcept { return units_; }
  std::size_t bytes() const noexcept { return bytes_; }

private:
  /// The units of one priority.
  struct shelf {
    unit_list any;
    std::map<lane_id, unit_list> lanes; ///< none is empty for longer than a call

    bool empty() const noexcept { return any.empty() && lanes.empty(); }
    /// The head that came first, of those that came after `last`; or null.
    unit* next_head(std::int64_t last, bool with_any = true) const noexcept;
  };
  using shelf_map = std::map<int, shelf, std::greater<>>;

  template <class Visit>
  bool visit(Visit&& stop) const;
  shelf& shelf_at(int priority);
  unit_list& list_for(unit& u, lane_id lane) noexcept;
  static unit_list& list_in(shelf& row, unit& u, lane_id lane) noexcept;
  void count(const unit& u) noexcept;

  std::size_t capacity_;
  std::size_t capacity_bytes_;
  shelf_map shelves_;          ///< by priority, highest first; none is empty but that of 0
  shelf_map::node_type spare_; ///< of a shelf that became empty
  std::int64_t first_order_ = 0;
  std::int64_t last_order_ = 0;
  std::size_t items_ = 0;
  std::size_t units_ = 0;
  std::size_t in_lanes_ = 0;
  std::size_t bytes_ = 0;
};

} // namespace bulkhead::runtime
