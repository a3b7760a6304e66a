#pragma once

#include <sys/types.h>

#include <cstddef>

namespace bulkhead::runtime {

/// Resident memory of a process in bytes, from /proc/PID/statm. 0 where it cannot be read.
std::size_t resident_bytes(pid_t pid) noexcept;

} // namespace bulkhead::runtime
