#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace bulkhead::config {

/// Regular files that match a pattern, sorted by bytes, as `find -type f` sees them: symbolic
/// links are neither followed nor listed. `*`, `?` and `[...]` match within a name, `**` as a
/// whole name matches directories at any depth, none included. Names that begin with a dot match
/// only where the pattern has the dot. Directories that cannot be read are skipped.
std::vector<std::string> glob_files(std::string_view pattern);

/// The longest leading part of a pattern that has no wildcard: where a search begins.
std::string glob_root(std::string_view pattern);

/// The pattern that matches this path and no other.
std::string glob_escaped(std::string_view path);

} // namespace bulkhead::config
