#pragma once

#include <bulkhead/violation.hpp>

#include <array>
#include <cstdint>
#include <string>

namespace bulkhead::runtime::sandbox {

/// The call by its name, with what would allow it. `target`: the file or address that it names.
policy_violation violation_of(long number, const std::array<std::uint64_t, 6>& arguments,
                              std::string target);

/// openat("/etc/passwd"), or the call with all of its arguments where it names nothing.
std::string call_text(const policy_violation& v);

/// "it made the system call openat("/etc/passwd"), which its sandbox forbids; sandbox.read with its
/// folder would allow it"; what may be known where the worker could not say which: the filter ended
/// it at once.
std::string violation_text(const policy_violation& v);

} // namespace bulkhead::runtime::sandbox
