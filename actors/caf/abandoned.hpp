#pragma once

#include <caf/actor_control_block.hpp>
#include <caf/message_id.hpp>

#include <functional>
#include <vector>

namespace bulkhead::actors {

/// Gets the requester and those of its requests that it has given up.
using abandoned_handler =
  std::function<void(const caf::strong_actor_ptr&, const std::vector<caf::message_id>&)>;

/// Finds out which of an actor's requests it does not wait for any more, because its own time-out
/// came first: CAF tells nobody. The actor is asked by a message, so `tell` runs in its thread
/// after the behaviour that made the last of these requests; never where none was given up, where
/// the actor ends before, or where it is a blocking one, which keeps no list of what it waits for.
/// The caller holds no lock that `tell` takes.
void find_abandoned(const caf::strong_actor_ptr& requester, std::vector<caf::message_id> requests,
                    abandoned_handler tell);

} // namespace bulkhead::actors
