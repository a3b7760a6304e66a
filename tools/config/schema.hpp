#pragma once

#include "tools/text/document.hpp"

#include <string>

namespace bulkhead::config {

/// config/bulkhead.schema.json, as it was when the command was built.
const json& schema();

/// The part of the schema that describes the value at a path: references followed, with
/// "default" and "description" of the place that refers. Null where the path leads nowhere.
json schema_of(const pointer& at);

/// The part of the schema below a key or an index of that part. Null: there is none.
json part_below(const json& part, const std::string& token);

/// Whether it is a system of actors in place of a job of tasks.
bool describes_system(const document& from);

} // namespace bulkhead::config
