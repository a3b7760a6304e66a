#include "runtime/dispatch/backlog.hpp"

#include <algorithm>

namespace bulkhead::runtime {

bool backlog::has_room(std::size_t items, std::size_t bytes) const noexcept {
  if (empty())
    return true;
  return items <= capacity_ - std::min(items_, capacity_)
         && bytes <= capacity_bytes_ - std::min(bytes_, capacity_bytes_);
}

void backlog::make_room(const unit& u) { list_of(u); }

void backlog::push_back(std::unique_ptr<unit> u) {
  auto& list = list_of(*u);
  count(*u);
  list.push_back(std::move(u));
}

void backlog::push_front(std::unique_ptr<unit> u) {
  auto& list = list_of(*u);
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
  return list_of(u).remove(u);
}

unit_list& backlog::list_of(const unit& u) { return lists_[u.options ? u.options->priority : 0]; }

void backlog::count(const unit& u) noexcept {
  items_ += u.items;
  bytes_ += u.bytes();
  ++units_;
}

} // namespace bulkhead::runtime
