#include "actors/border/exports.hpp"

#include <utility>

namespace bulkhead::actors {

void exports::add(const actor_key& key, const caf::strong_actor_ptr& actor) {
  std::lock_guard lock{mutex_};
  auto& e = entries_[key];
  ++e.count;
  if (!e.actor)
    e.actor = actor;
}

bool exports::publish(const actor_key& key) {
  std::lock_guard lock{mutex_};
  auto i = entries_.find(key);
  return i != entries_.end() && !std::exchange(i->second.published, true);
}

caf::strong_actor_ptr exports::find(const actor_key& key) const {
  std::lock_guard lock{mutex_};
  auto i = entries_.find(key);
  return i == entries_.end() ? nullptr : i->second.actor;
}

bool exports::monitor(const actor_key& key) {
  std::lock_guard lock{mutex_};
  auto i = entries_.find(key);
  if (i == entries_.end())
    return false;
  i->second.monitored = true;
  return true;
}

bool exports::take_monitor(const actor_key& key) {
  std::lock_guard lock{mutex_};
  auto i = entries_.find(key);
  return i != entries_.end() && std::exchange(i->second.monitored, false);
}

exports::released exports::release(const actor_key& key, std::uint64_t count, dropped& gone) {
  std::lock_guard lock{mutex_};
  auto i = entries_.find(key);
  if (i == entries_.end() || count > i->second.count)
    return released::unknown;
  i->second.count -= count;
  if (i->second.count != 0)
    return released::kept;
  gone = {std::move(i->second.actor), i->second.published};
  entries_.erase(i);
  return released::gone;
}

std::vector<exports::dropped> exports::take() {
  std::vector<dropped> result;
  std::lock_guard lock{mutex_};
  result.reserve(entries_.size());
  for (auto& [key, e] : entries_)
    result.push_back({std::move(e.actor), e.published});
  entries_.clear();
  return result;
}

std::size_t exports::size() const {
  std::lock_guard lock{mutex_};
  return entries_.size();
}

} // namespace bulkhead::actors
