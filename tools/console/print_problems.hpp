#pragma once

#include "tools/text/problem.hpp"

namespace bulkhead::command {

/// Prints what is wrong, for people on standard error, and with `as_json` as a document on standard
/// output too. Returns the exit status for it.
int print_problems(const config::problems& found, bool as_json);

} // namespace bulkhead::command
