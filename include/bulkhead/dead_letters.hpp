#pragma once

#include <caf/fwd.hpp>

#include <functional>
#include <string>

namespace bulkhead {

/// Tells of each plain message, no request, that the host could not pass on, and why: whom
/// pool_stats::dead_letters counts. `f` runs on a thread of the library, in order; where more than
/// 1024 wait for it, further ones are only counted. In place of the one before; empty: nobody hears
/// any more. Thread-safe. Throws config_error for a system that did not go through configure().
void watch_dead_letters(caf::actor_system& system, std::function<void(const std::string& why)> f);

} // namespace bulkhead
