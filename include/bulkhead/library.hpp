#pragma once

#include <filesystem>

namespace bulkhead {

/// Loads a task library (a shared library with BULKHEAD_TASKs) into the host; its tasks are then
/// found by name. Workers of pools made later load it when one of its tasks comes. It stays loaded.
/// Loading it again changes nothing. Throws config_error with path and reason.
void load_library(const std::filesystem::path& path);

} // namespace bulkhead
