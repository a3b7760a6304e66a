#pragma once

#include "tools/text/document.hpp"

#include <sys/types.h>

#include <string>
#include <vector>

namespace bulkhead::command {

using config::json;

/// Programs of this user that may be looked at: those with observe::attachable or
/// BULKHEAD_OBSERVE=1.
std::vector<pid_t> attachable_programs();

/// One request to such a program, and its answer. {"error": text} where it refuses, or cannot be
/// reached; then "gone" is there too.
json ask_program(pid_t program, const std::string& request);

/// What /proc calls a process; "" where it is gone.
std::string name_of_process(pid_t pid);

} // namespace bulkhead::command
