#include "actors/names/state_keeper.hpp"

#include <utility>

namespace bulkhead::actors {

void state_keeper::attach(const actor_key& who, std::shared_ptr<kept_state> where) {
  const std::lock_guard lock{mutex_};
  // By the incarnation: a late snapshot of the one before finds no entry and changes nothing.
  owners_[who] = std::move(where);
}

void state_keeper::detach(const actor_key& who) {
  const std::lock_guard lock{mutex_};
  owners_.erase(who);
}

std::string state_keeper::keep(const actor_key& who, const std::string& bytes) {
  const std::lock_guard lock{mutex_};
  const auto known = owners_.find(who);
  if (known == owners_.end())
    return "keep_state: the actor is no supervised child with child_spec::state_limit, or it has "
           "not started yet";
  auto& state = *known->second;
  if (bytes.size() > state.limit)
    return "keep_state: the snapshot has " + std::to_string(bytes.size())
           + " bytes; allowed by child_spec::state_limit: " + std::to_string(state.limit)
           + "; the one before stays";
  state.bytes = bytes;
  ++state.count;
  return {};
}

std::string state_keeper::read(const kept_state& state) const {
  const std::lock_guard lock{mutex_};
  return state.bytes;
}

state_keeper::size_fact state_keeper::size_of(const kept_state& state) const {
  const std::lock_guard lock{mutex_};
  return {state.bytes.size(), state.count};
}

} // namespace bulkhead::actors
