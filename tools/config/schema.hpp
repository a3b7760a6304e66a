#pragma once

#include "tools/config/document.hpp"

namespace bulkhead::config {

/// config/bulkhead.schema.json, as it was when the command was built.
const json& schema();

/// The part of the schema that describes the value at a path: references followed, with
/// "default" and "description" of the place that refers. Null where the path leads nowhere.
json schema_of(const pointer& at);

/// Whether it is a system of actors in place of a job of tasks.
bool describes_system(const document& from);

/// Checks the document against the schema, by valijson, and adds one problem for each value that
/// does not fit, each key that is unknown and each that is missing. What is wrong is removed from
/// the document, so that the further checks see sound values only.
void check_schema(document& job, problems& found);

} // namespace bulkhead::config
