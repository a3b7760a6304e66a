#pragma once

#include <string_view>

namespace bulkhead {

/// The library's version, "major.minor.patch".
std::string_view version() noexcept;

} // namespace bulkhead
