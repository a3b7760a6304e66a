#pragma once

#include <string_view>

namespace bulkhead::observe::detail {

/// The page: observe/web/page.html; its source file is made by CMake. "NONCE" stands for a number
/// that no other answer has.
extern const std::string_view page_text;

} // namespace bulkhead::observe::detail
