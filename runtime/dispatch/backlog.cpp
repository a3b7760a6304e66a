#include "runtime/dispatch/backlog.hpp"

#include <algorithm>
#include <cassert>
#include <limits>
#include <new>
#include <utility>

// What waits, by priority; on each shelf a list for anybody and a list for each lane. `order` tells
// across the lists who came first. All of it is under the pool's lock; what is noexcept does
// without memory, at the price of the priority or the lane.
namespace bulkhead::runtime {

namespace {

int priority_of(const unit& u) noexcept { return u.options ? u.options->priority : 0; }

constexpr auto before_all = std::numeric_limits<std::int64_t>::min();

} // namespace

bool backlog::has_room(std::size_t items, std::size_t bytes) const noexcept {
  if (empty())
    return true;
  return items <= capacity_ - std::min(items_, capacity_)
         && bytes <= capacity_bytes_ - std::min(bytes_, capacity_bytes_);
}

void backlog::make_room(const unit& u, lane_id lane) {
  auto& row = shelf_at(priority_of(u));
  // The node of the lane is made now, while a failure can still be told to the caller.
  if (lane != any_worker)
    row.lanes[lane];
}

void backlog::push_back(std::unique_ptr<unit> u, lane_id lane) noexcept {
  u->order = ++last_order_;
  auto& list = list_for(*u, lane);
  count(*u);
  list.push_back(std::move(u));
}

void backlog::push_front(std::unique_ptr<unit> u, lane_id lane) noexcept {
  u->order = --first_order_;
  auto& list = list_for(*u, lane);
  count(*u);
  list.push_front(std::move(u));
}

unit* backlog::shelf::next_head(std::int64_t last, bool with_any) const noexcept {
  unit* next = nullptr;
  const auto look = [&](unit* head) {
    if (head != nullptr && head->order > last && (next == nullptr || head->order < next->order))
      next = head;
  };
  if (with_any)
    look(any.front());
  for (const auto& [lane, list] : lanes)
    look(list.front());
  return next;
}

unit* backlog::first(const question& goes) const {
  bool any_waits = false;
  for (const auto& [priority, row] : shelves_) {
    auto last = before_all;
    while (auto* head = row.next_head(last)) {
      last = head->order;
      const bool for_any = head->lane == any_worker;
      // Once one unit for anybody found no worker, the others would not either; units of lanes may.
      if (!(for_any && any_waits) && goes(*head))
        return head;
      any_waits = any_waits || for_any;
    }
    if (any_waits && in_lanes_ == 0)
      return nullptr;
  }
  return nullptr;
}

// Calls stop(unit) for each until it is true; then true.
template <class Visit>
bool backlog::visit(Visit&& stop) const {
  const auto in_list = [&](const unit_list& list) {
    for (auto* u = list.front(); u != nullptr; u = u->following)
      if (stop(*u))
        return true;
    return false;
  };
  for (const auto& [priority, row] : shelves_) {
    if (in_list(row.any))
      return true;
    for (const auto& [lane, list] : row.lanes)
      if (in_list(list))
        return true;
  }
  return false;
}

unit* backlog::find(const question& wanted) const {
  unit* found = nullptr;
  visit([&](unit& u) {
    if (wanted(u))
      found = &u;
    return found != nullptr;
  });
  return found;
}

std::vector<unit*> backlog::all(const question& wanted) const {
  std::vector<unit*> found;
  visit([&](unit& u) {
    if (wanted(u))
      found.push_back(&u);
    return false;
  });
  return found;
}

unit* backlog::oldest() const noexcept {
  for (auto row = shelves_.rbegin(); row != shelves_.rend(); ++row)
    if (auto* head = row->second.next_head(before_all))
      return head;
  return nullptr;
}

unit* backlog::front() const noexcept {
  for (const auto& [priority, row] : shelves_)
    if (auto* head = row.next_head(before_all))
      return head;
  return nullptr;
}

std::unique_ptr<unit> backlog::remove(unit& u) {
  items_ -= u.items;
  bytes_ -= u.bytes();
  --units_;
  const auto at = shelves_.find(u.list_priority);
  auto& row = at->second;
  std::unique_ptr<unit> taken;
  if (u.lane == any_worker) {
    taken = row.any.remove(u);
  } else {
    --in_lanes_;
    const auto lane = row.lanes.find(u.lane);
    taken = lane->second.remove(u);
    if (lane->second.empty())
      row.lanes.erase(lane);
  }
  // A priority that nobody waits with costs nothing; its node may serve the next new one.
  // Shelf 0 is never taken away: list_for() falls back to it without memory.
  if (at->first != 0 && row.empty())
    spare_ = shelves_.extract(at);
  return taken;
}

void backlog::grow(unit& u, std::size_t bytes) noexcept {
  ++u.items;
  ++items_;
  bytes_ += bytes;
}

unit& backlog::cut(unit& u, std::uint32_t first) {
  assert(u.lane == any_worker);
  auto rest = split(u, first);
  auto& cut_off = *rest;
  items_ -= cut_off.items; // count() adds them again
  cut_off.order = u.order;
  cut_off.list_priority = u.list_priority;
  count(cut_off);
  shelves_.find(u.list_priority)->second.any.insert_behind(u, std::move(rest));
  return cut_off;
}

void backlog::sort_lanes(const std::function<lane_id(const unit&)>& lane_of) noexcept {
  for (auto& [priority, row] : shelves_) {
    unit_list sorted;
    // All are taken out first, oldest first, and then laid into their new lanes: so each lane keeps
    // its order.
    while (auto* head = row.next_head(before_all, false))
      sorted.push_back(row.lanes.find(head->lane)->second.remove(*head));
    row.lanes.clear();
    while (!sorted.empty()) {
      auto u = sorted.pop_front();
      --in_lanes_;
      auto& list = list_in(row, *u, lane_of(*u));
      in_lanes_ += u->lane == any_worker ? 0 : 1;
      list.push_back(std::move(u));
    }
  }
}

backlog::shelf& backlog::shelf_at(int priority) {
  const auto found = shelves_.find(priority);
  if (found != shelves_.end())
    return found->second;
  if (spare_.empty())
    return shelves_[priority];
  spare_.key() = priority;
  return shelves_.insert(std::move(spare_)).position->second;
}

unit_list& backlog::list_for(unit& u, lane_id lane) noexcept {
  u.list_priority = priority_of(u);
  try {
    return list_in(shelf_at(u.list_priority), u, lane);
  } catch (const std::bad_alloc&) {
    u.list_priority = 0;
    return list_in(shelves_.find(0)->second, u, any_worker);
  }
}

unit_list& backlog::list_in(shelf& row, unit& u, lane_id lane) noexcept {
  u.lane = any_worker;
  if (lane == any_worker)
    return row.any;
  try {
    auto& list = row.lanes[lane];
    u.lane = lane;
    return list;
  } catch (const std::bad_alloc&) {
    return row.any;
  }
}

void backlog::count(const unit& u) noexcept {
  items_ += u.items;
  bytes_ += u.bytes();
  ++units_;
  in_lanes_ += u.lane == any_worker ? 0 : 1;
}

} // namespace bulkhead::runtime
