#pragma once

#include <functional>
#include <string>

namespace bulkhead::systems {

/// Gets one line for people as something happens; from any thread.
using teller = std::function<void(const std::string& line)>;

} // namespace bulkhead::systems
