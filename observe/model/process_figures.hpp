#pragma once

#include <sys/types.h>

#include <cstddef>

namespace bulkhead::observe::detail {

/// What /proc tells of a process beside its memory.
struct process_figures {
  double cpu_seconds = 0;      ///< user and system time of all its threads
  std::size_t descriptors = 0; ///< open ones
};

/// Zeros where it has ended or /proc does not tell.
process_figures figures_of(pid_t pid) noexcept;

} // namespace bulkhead::observe::detail
