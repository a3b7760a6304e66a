#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace bulkhead::runtime::sandbox {

// What a worker gives away before its sandbox closes. On its only thread. They return 0 or errno.

/// Overwrites and drops all variables but those named; a last '*' in a name stands for any rest.
int empty_environment(const std::vector<std::string>& kept) noexcept;

/// Becomes the user and group `first` plus the process number, without further groups.
int become_own_user(std::uint32_t first) noexcept;

/// Gives up all capabilities, for good once no_new_privs is set; no core, no foreign tracer.
int drop_capabilities() noexcept;

} // namespace bulkhead::runtime::sandbox
