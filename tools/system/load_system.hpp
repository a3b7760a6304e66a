#pragma once

#include "tools/config/load_job.hpp"
#include "tools/system/system_plan.hpp"

#include <optional>

namespace bulkhead::systems {

/// Whether the file describes a system of actors. False where it cannot be read.
bool names_system(const config::request& wanted);

/// Reads and checks a system: text, schema, names, circles, contradictions, machine, libraries,
/// types. Loads its libraries into this process and starts nothing. Empty where anything is wrong;
/// `found` then holds all of it.
std::optional<system_plan> load_system(const config::request& wanted, problems& found);

} // namespace bulkhead::systems
