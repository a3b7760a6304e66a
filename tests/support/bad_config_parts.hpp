#pragma once

#include "tests/support/bad_configs.hpp"

#include <string>
#include <vector>

namespace bulkhead::testing {

/// A job that is good but for one member.
inline std::string with(const std::string& member) {
  return "{\n  \"task\": \"bulkhead.echo\",\n  \"input\": {\"list\": [\"a\"]},\n  " + member
         + "\n}\n";
}

inline std::string pool(const std::string& member) { return with("\"pool\": {" + member + "}"); }

/// Values that are out of range, and values that contradict each other.
std::vector<bad_config> bad_values();
std::vector<bad_config> bad_contradictions();

} // namespace bulkhead::testing
