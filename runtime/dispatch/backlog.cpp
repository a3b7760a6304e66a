#include "runtime/dispatch/backlog.hpp"

#include <algorithm>
#include <new>
#include <utility>

namespace bulkhead::runtime {

namespace {

int priority_of(const unit& u) noexcept { return u.options ? u.options->priority : 0; }

} // namespace

bool backlog::has_room(std::size_t items, std::size_t bytes) const noexcept {
  if (empty())
    return true;
  return items <= capacity_ - std::min(items_, capacity_)
         && bytes <= capacity_bytes_ - std::min(bytes_, capacity_bytes_);
}

void backlog::make_room(const unit& u) { list_at(priority_of(u)); }

void backlog::push_back(std::unique_ptr<unit> u) noexcept {
  auto& list = list_for(*u);
  count(*u);
  list.push_back(std::move(u));
}

void backlog::push_front(std::unique_ptr<unit> u) noexcept {
  auto& list = list_for(*u);
  count(*u);
  list.push_front(std::move(u));
}

unit* backlog::find(const std::function<bool(const unit&)>& wanted) const {
  for (const auto& [priority, list] : lists_)
    for (auto* u = list.front(); u != nullptr; u = u->following)
      if (wanted(*u))
        return u;
  return nullptr;
}

std::vector<unit*> backlog::all(const std::function<bool(const unit&)>& wanted) const {
  std::vector<unit*> found;
  for (const auto& [priority, list] : lists_)
    for (auto* u = list.front(); u != nullptr; u = u->following)
      if (wanted(*u))
        found.push_back(u);
  return found;
}

unit* backlog::front() const noexcept {
  for (const auto& [priority, list] : lists_)
    if (!list.empty())
      return list.front();
  return nullptr;
}

std::unique_ptr<unit> backlog::remove(unit& u) {
  items_ -= u.items;
  bytes_ -= u.bytes();
  --units_;
  const auto at = lists_.find(u.list_priority);
  auto taken = at->second.remove(u);
  // A priority that nobody waits with costs nothing; its node may serve the next new one.
  if (at->first != 0 && at->second.empty())
    spare_ = lists_.extract(at);
  return taken;
}

unit_list& backlog::list_at(int priority) {
  const auto found = lists_.find(priority);
  if (found != lists_.end())
    return found->second;
  if (spare_.empty())
    return lists_[priority];
  spare_.key() = priority;
  return lists_.insert(std::move(spare_)).position->second;
}

unit_list& backlog::list_for(unit& u) noexcept {
  u.list_priority = priority_of(u);
  try {
    return list_at(u.list_priority);
  } catch (const std::bad_alloc&) {
    u.list_priority = 0;
    return lists_.find(0)->second;
  }
}

void backlog::count(const unit& u) noexcept {
  items_ += u.items;
  bytes_ += u.bytes();
  ++units_;
}

} // namespace bulkhead::runtime
