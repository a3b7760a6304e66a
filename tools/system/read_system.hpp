#pragma once

#include "tools/system/system_plan.hpp"

#include <filesystem>

namespace bulkhead::systems {

/// Makes a plan of a document that fits the schema; names are not looked up yet. Relative paths are
/// taken from the file's folder. Times and sizes beyond what can be expressed are problems.
system_plan read_system(const document& from, const std::filesystem::path& file, problems& found);

} // namespace bulkhead::systems
