#pragma once

#include <string_view>

namespace bulkhead::config {

/// The text of config/bulkhead.schema.json; its source file is made by CMake.
extern const std::string_view schema_text;

} // namespace bulkhead::config
