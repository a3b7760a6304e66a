#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace bulkhead::testing {

/// A configuration that must be refused, and what its message must hold.
struct bad_config {
  std::string name;
  std::string text;
  std::string place;                   ///< "line:column"; empty: the file as a whole
  std::vector<std::string_view> parts; ///< key and value, expectation, remedy
};

/// The table of the tests of messages and of the command.
const std::vector<bad_config>& bad_configs();

} // namespace bulkhead::testing
