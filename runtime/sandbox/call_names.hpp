#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace bulkhead::runtime::sandbox {

/// The number of a system call on this machine; empty where it has none, or where the headers that
/// the library was built with do not know it.
std::optional<int> call_number(std::string_view name) noexcept;

/// "openat", or "number 999" for a call that nobody here knows.
std::string call_name(long number);

/// The largest number that call_number gives. What is above it came later than this build.
int newest_call() noexcept;

} // namespace bulkhead::runtime::sandbox
