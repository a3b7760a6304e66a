#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace bulkhead::testing {

/// A system that must be refused with one message, and what that must hold.
struct bad_system {
  std::string name;
  std::string text;
  std::vector<std::string_view> parts; ///< place, value, expectation, remedy
};

/// Behaviours that the files name: test.till (text), test.plain (), test.list (list of text), and
/// test.typed (), which takes get and (put, int64) and answers int64; the task bulkhead.echo.
const std::vector<bad_system>& bad_systems();

} // namespace bulkhead::testing
