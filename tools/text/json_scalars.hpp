#pragma once

#include "tools/text/document.hpp"
#include "tools/text/json_scanner.hpp"

namespace bulkhead::config {

/// Ends the reading of a text; what follows cannot be understood.
struct syntax_error {
  problem what_is_wrong;
};

/// Reads a text in double quotes. Throws syntax_error.
json read_text(json_scanner& scan, problems& found);

/// Reads a number, true, false or null. A number that does not fit is a problem, and null comes
/// back. Throws syntax_error. `path` names the value in messages.
json read_word(json_scanner& scan, const std::string& path, problems& found);

} // namespace bulkhead::config
