#pragma once

#include "runtime/code/module.hpp"

#include <vector>

namespace bulkhead::engine {

/// The modules of this process that may have tasks: the program, what is loaded from outside the
/// system's library folders, and what depends on Bulkhead's libraries.
std::vector<runtime::known_module> offered_modules();

} // namespace bulkhead::engine
