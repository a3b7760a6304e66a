#pragma once

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace bulkhead::runtime {

/// Resident memory of a process in bytes, from /proc/PID/statm. 0 where it cannot be read.
std::size_t resident_bytes(pid_t pid) noexcept;

/// Whether a debugger or tracer holds the process: then it is no sign of a fault that it stands
/// still. False where /proc does not tell.
bool traced(pid_t pid) noexcept;

/// Opens the file of this process's own figures and keeps it: own_resident_bytes will need no
/// further file. Where that is impossible, it reads as before.
void keep_own_figures() noexcept;

/// Resident memory of this process.
std::size_t own_resident_bytes() noexcept;

/// How many processes of this machine the kernel's out-of-memory killer has ended since it was
/// started, from /proc/vmstat. 0 where that cannot be read. A hint only: it does not say which.
std::uint64_t oom_kills() noexcept;

/// The same of the text of that file; 0 where it has no such line or no number there.
std::uint64_t oom_kills_in(std::string_view vmstat) noexcept;

} // namespace bulkhead::runtime
