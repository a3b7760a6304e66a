#pragma once

#include "tools/text/document.hpp"

namespace bulkhead::config {

/// Checks the document against the schema, by valijson, and adds one problem for each value that
/// does not fit, each key that is unknown and each that is missing. What is wrong is removed from
/// the document, so that the further checks see sound values only.
void check_schema(document& job, problems& found);

} // namespace bulkhead::config
