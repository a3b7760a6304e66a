#pragma once

#include <caf/actor_control_block.hpp>

#include <functional>

namespace bulkhead::actors {

/// In a worker: how its actors reach the host's keeper of names. Before the first actor starts.
void reach_names(std::function<caf::strong_actor_ptr()> find);

/// The keeper as an actor of a worker sees it; null in other processes. Any thread.
caf::strong_actor_ptr reached_names();

} // namespace bulkhead::actors
