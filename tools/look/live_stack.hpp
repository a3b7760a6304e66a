#pragma once

#include <sys/types.h>

#include <string>

namespace bulkhead::command {

/// Where each thread of a process stands now, with function names and source lines. The process is
/// stopped meanwhile, for some milliseconds. Throws std::runtime_error that says why and what to do
/// where the system refuses.
std::string live_stack(pid_t process);

} // namespace bulkhead::command
