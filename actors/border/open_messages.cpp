#include "actors/border/open_messages.hpp"

namespace bulkhead::actors {

std::shared_ptr<void> open_messages::came(caf::actor_id whom, std::uint64_t number) {
  {
    const std::lock_guard lock{mutex_};
    auto& mine = actors_[whom];
    mine.last = number;
    mine.open.insert(number);
  }
  // Not null: who holds it asks by its truth.
  return {static_cast<void*>(this),
          [self = shared_from_this(), whom, number](void*) { self->done(whom, number); }};
}

std::uint64_t open_messages::done_up_to(caf::actor_id whom, std::uint64_t in_hand) const {
  const std::lock_guard lock{mutex_};
  const auto known = actors_.find(whom);
  if (known == actors_.end())
    return 0;
  for (const auto number : known->second.open)
    if (number != in_hand)
      return number - 1;
  return known->second.last;
}

bool open_messages::knows(caf::actor_id whom) const {
  const std::lock_guard lock{mutex_};
  return actors_.contains(whom);
}

void open_messages::done(caf::actor_id whom, std::uint64_t number) {
  const std::lock_guard lock{mutex_};
  if (const auto known = actors_.find(whom); known != actors_.end())
    known->second.open.erase(number);
}

void open_messages::forget(caf::actor_id whom) {
  const std::lock_guard lock{mutex_};
  actors_.erase(whom);
}

} // namespace bulkhead::actors
