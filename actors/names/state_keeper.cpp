#include "actors/names/state_keeper.hpp"

#include <utility>

namespace bulkhead::actors {

std::shared_ptr<kept_state> make_kept_state(std::size_t limit,
                                            std::shared_ptr<snapshot_store> store,
                                            const std::string& path) {
  auto state = std::make_shared<kept_state>();
  state->limit = limit;
  state->store = std::move(store);
  state->path = path;
  if (state->store)
    if (auto last = state->store->read(path)) {
      state->bytes = std::move(*last);
      state->count = 1;
    }
  return state;
}

void state_keeper::attach(const actor_key& who, std::shared_ptr<kept_state> where) {
  const std::lock_guard lock{mutex_};
  // By the incarnation: a late snapshot of the one before finds no entry and changes nothing.
  owners_[who] = std::move(where);
}

void state_keeper::detach(const actor_key& who) {
  const std::lock_guard lock{mutex_};
  owners_.erase(who);
}

// With the lock.
std::string state_keeper::take(kept_state& state, const std::string& bytes) {
  if (bytes.size() > state.limit)
    return "keep_state: the snapshot has " + std::to_string(bytes.size())
           + " bytes; allowed by child_spec::state_limit: " + std::to_string(state.limit)
           + "; the one before stays";
  state.bytes = bytes;
  ++state.count;
  return {};
}

// In memory at once, so that a restart finds it; acknowledged when it is on disk, too.
void state_keeper::keep(const actor_key& who, const std::string& bytes, std::uint64_t contains,
                        snapshot_store::done_handler done) {
  std::string why = "keep_state: the actor is no supervised child with child_spec::state_limit, or "
                    "it has not started yet";
  std::shared_ptr<kept_state> state;
  {
    const std::lock_guard lock{mutex_};
    if (const auto known = owners_.find(who); known != owners_.end()) {
      state = known->second;
      why = take(*state, bytes);
      // Under the lock: of two snapshots the later one is the later one there, too.
      if (why.empty() && state->store)
        state->store->write(state->path, bytes, std::exchange(done, nullptr));
    }
  }
  // Also where the disk does not take it: the next incarnation begins with what is in memory.
  if (why.empty() && contains != 0 && state->on_contained)
    state->on_contained(contains);
  if (done) // else the store tells
    done(why);
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
