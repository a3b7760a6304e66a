#pragma once

#include "tools/text/document.hpp"

#include <optional>
#include <string_view>

namespace bulkhead::config {

inline constexpr std::size_t deepest_nesting = 32;

/// Reads JSON with comments. Every value gets its place; duplicate keys and numbers that do not
/// fit are collected as problems, a syntax error ends the reading. Empty where there is no
/// document to go on with; where only details are wrong the document comes back without them.
/// Nesting is limited to 32, so the stack is bounded.
std::optional<document> read_json(const std::string& source, std::string_view text,
                                  problems& found);

} // namespace bulkhead::config
