#pragma once

#include <caf/actor.hpp>

namespace bulkhead::systems {

// What a fault does to the worker of an actor; nothing where it has none now.

/// False where there is nobody to kill.
bool kill_worker_of(const caf::actor& whom);
/// Returns when it stands still, or after a second.
void stop_worker_of(const caf::actor& whom);
void let_go_on(const caf::actor& whom);

} // namespace bulkhead::systems
