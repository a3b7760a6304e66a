#pragma once

#include <array>
#include <cstdint>
#include <string>

namespace bulkhead::runtime::sandbox {

/// "it made the system call openat("/etc/passwd"), which its sandbox forbids; sandbox.read with its
/// folder would allow it".
std::string violation_text(long number, const std::array<std::uint64_t, 6>& arguments,
                           const std::string& path);

/// The same where the worker could not say which: the filter ended it at once.
std::string silent_violation_text();

} // namespace bulkhead::runtime::sandbox
