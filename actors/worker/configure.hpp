#pragma once

#include <caf/fwd.hpp>

namespace bulkhead::actors {

/// The message types and errors that every system of the library's knows, a host's and a worker's:
/// those declared with BULKHEAD_MESSAGE, and vectors of numbers.
void load_messages(caf::actor_system_config& config);

} // namespace bulkhead::actors
