#include "actors/border/exports.hpp"

#include <iterator>
#include <utility>

// What a peer may name, counted as it was told. Threads that send count, the thread that reads
// gives back; the mutex is never held while a handle is let go, since the last one ends an actor.
namespace bulkhead::actors {

void exports::add(const actor_key& key, const caf::strong_actor_ptr& actor) {
  std::lock_guard lock{mutex_};
  if (over_)
    return;
  auto& e = entries_[key];
  ++e.count;
  if (!e.actor)
    e.actor = actor;
}

caf::strong_actor_ptr exports::find(const actor_key& key) const {
  std::lock_guard lock{mutex_};
  auto i = entries_.find(key);
  return i == entries_.end() ? nullptr : i->second.actor;
}

bool exports::monitors(const actor_key& key) const {
  std::lock_guard lock{mutex_};
  auto i = entries_.find(key);
  return i != entries_.end() && i->second.monitored;
}

bool exports::monitor(const actor_key& key) {
  std::lock_guard lock{mutex_};
  auto i = entries_.find(key);
  if (i == entries_.end())
    return false;
  i->second.monitored = true;
  return true;
}

exports::table::iterator exports::heard(table::iterator i) {
  i->second.monitored = false;
  return i->second.count == 0 ? entries_.erase(i) : std::next(i);
}

bool exports::take_monitor(const actor_key& key) {
  std::lock_guard lock{mutex_};
  auto i = entries_.find(key);
  if (i == entries_.end() || !i->second.monitored)
    return false;
  heard(i);
  return true;
}

std::vector<actor_key> exports::take_monitors(peer_id owner) {
  std::vector<actor_key> result;
  std::lock_guard lock{mutex_};
  for (auto i = entries_.begin(); i != entries_.end();) {
    const bool wanted = i->first.peer == owner && i->second.monitored;
    if (wanted)
      result.push_back(i->first);
    i = wanted ? heard(i) : std::next(i);
  }
  return result;
}

exports::released exports::release(const actor_key& key, std::uint64_t count, bool observed,
                                   caf::strong_actor_ptr& gone) {
  std::lock_guard lock{mutex_};
  auto i = entries_.find(key);
  // More than it was given: a lie about its own count. It is left as it is.
  if (i == entries_.end() || count > i->second.count)
    return released::unknown;
  i->second.count -= count;
  if (i->second.count != 0)
    return released::kept;
  gone = std::move(i->second.actor);
  i->second.actor = nullptr;
  // A row without an actor stays while the peer observes it: its end will be told.
  if (!observed || !i->second.monitored)
    entries_.erase(i);
  return released::gone;
}

std::vector<caf::strong_actor_ptr> exports::take() {
  std::vector<caf::strong_actor_ptr> result;
  std::lock_guard lock{mutex_};
  over_ = true;
  result.reserve(entries_.size());
  for (auto& [key, e] : entries_)
    result.push_back(std::move(e.actor));
  entries_.clear();
  return result;
}

std::size_t exports::size() const {
  std::lock_guard lock{mutex_};
  return entries_.size();
}

} // namespace bulkhead::actors
