#include "actors/names/name_table.hpp"

#include <algorithm>

namespace bulkhead::actors {

namespace {

bool good_text(const std::string& text) {
  return !text.empty() && text.size() <= name_table::longest_name
         && std::none_of(text.begin(), text.end(), [](unsigned char c) { return c < 0x20; });
}

template <class Map>
std::vector<std::string> keys_of(const Map& map) {
  std::vector<std::string> all;
  all.reserve(map.size());
  for (const auto& [key, value] : map)
    all.push_back(key);
  return all;
}

} // namespace

// What an actor had and gave up is remembered until it ends, because its end is being watched: this
// too is bounded.
name_table::outcome name_table::room_for(const std::string& text, const actor_key& who) const {
  if (!good_text(text))
    return outcome::bad_name;
  if (entries_ >= most_.all)
    return outcome::full;
  const auto known = shares_.find(who.peer);
  if (who.peer == host_peer || known == shares_.end())
    return outcome::done;
  const auto& has = known->second;
  // Counted for each process, so that a worker that registers without end fills its own share only.
  const bool one_more = !knows(who);
  const bool fits = has.entries < most_.of_process && (!one_more || has.actors < most_.of_process);
  return fits ? outcome::done : outcome::process_full;
}

name_table::entries_of_actor& name_table::enter(const actor_key& who) {
  auto& of_process = shares_[who.peer];
  const auto [at, is_new] = actors_.try_emplace(who);
  of_process.actors += is_new;
  ++of_process.entries;
  ++at->second.count;
  ++entries_;
  return at->second;
}

void name_table::count_less(const actor_key& who, entries_of_actor& of, std::size_t n) {
  of.count -= n;
  entries_ -= n;
  shares_.at(who.peer).entries -= n;
}

name_table::outcome name_table::add(const std::string& name, const actor_key& who) {
  if (names_.contains(name))
    return outcome::taken;
  if (const auto room = room_for(name, who); room != outcome::done)
    return room;
  names_[name] = who;
  enter(who).names.push_back(name);
  return outcome::done;
}

name_table::outcome name_table::remove(const std::string& name, const actor_key& who) {
  const auto known = names_.find(name);
  if (known == names_.end() || known->second != who)
    return outcome::unknown;
  names_.erase(known);
  auto& of = actors_.at(who);
  std::erase(of.names, name);
  count_less(who, of, 1);
  return outcome::done;
}

std::optional<actor_key> name_table::find(const std::string& name) const {
  const auto known = names_.find(name);
  return known == names_.end() ? std::nullopt : std::optional{known->second};
}

name_table::outcome name_table::join(const std::string& group, const actor_key& who) {
  if (const auto room = room_for(group, who); room != outcome::done)
    return room;
  groups_[group].push_back(who);
  ++enter(who).groups[group];
  return outcome::done;
}

name_table::outcome name_table::leave(const std::string& group, const actor_key& who) {
  const auto known = actors_.find(who);
  if (known == actors_.end())
    return outcome::unknown;
  auto& of = known->second;
  const auto times = of.groups.find(group);
  if (times == of.groups.end())
    return outcome::unknown;
  if (--times->second == 0)
    of.groups.erase(times);
  drop_members(group, who, false);
  count_less(who, of, 1);
  return outcome::done;
}

void name_table::drop_members(const std::string& group, const actor_key& who, bool all) {
  const auto at = groups_.find(group);
  auto& members = at->second;
  if (all)
    std::erase(members, who);
  else
    members.erase(std::find(members.begin(), members.end(), who));
  if (members.empty())
    groups_.erase(at);
}

std::vector<actor_key> name_table::members(const std::string& group) const {
  const auto known = groups_.find(group);
  return known == groups_.end() ? std::vector<actor_key>{} : known->second;
}

std::vector<std::string> name_table::names() const { return keys_of(names_); }

std::vector<std::string> name_table::groups() const { return keys_of(groups_); }

void name_table::ended(const actor_key& who) {
  const auto known = actors_.find(who);
  if (known == actors_.end())
    return;
  auto& of = known->second;
  for (const auto& name : of.names)
    names_.erase(name);
  for (const auto& [group, times] : of.groups)
    drop_members(group, who, true);
  count_less(who, of, of.count);
  actors_.erase(known);
  if (--shares_.at(who.peer).actors == 0)
    shares_.erase(who.peer);
}

bool name_table::holds(const actor_key& who) const {
  const auto known = actors_.find(who);
  return known != actors_.end() && known->second.count != 0;
}

std::size_t name_table::size_of(peer_id process) const {
  const auto known = shares_.find(process);
  return known == shares_.end() ? 0 : known->second.entries;
}

} // namespace bulkhead::actors
