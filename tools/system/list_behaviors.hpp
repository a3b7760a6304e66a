#pragma once

#include <string>
#include <vector>

namespace bulkhead::systems {

/// A behaviour that a file can name, for people.
struct listed_behavior {
  std::string name;
  std::string arguments;             ///< "(text, int32)"
  std::vector<std::string> messages; ///< "(atom "get") -> (int64)"; of a typed one, else empty
};

/// Those of the libraries that are loaded, sorted by name; one that is registered twice is left
/// out.
std::vector<listed_behavior> list_behaviors();

} // namespace bulkhead::systems
