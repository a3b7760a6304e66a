#pragma once

#include "engine/courier/settings.hpp"

#include <bulkhead/descriptor.hpp>

namespace bulkhead::engine {

/// All that the courier's process does: carries packets between its host's socket and the broker
/// until either of them is gone.
void run_courier(courier_settings settings, descriptor socket);

} // namespace bulkhead::engine
