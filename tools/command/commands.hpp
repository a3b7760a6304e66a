#pragma once

#include "tools/command/call.hpp"

namespace bulkhead::command {

// Each of them returns the exit status. Results go to standard output, all else to standard error.

/// `init` is called, with the arguments of main, once the configuration is known to be good.
int run_job(const call& wanted, int argc, char** argv);
int validate_job(const call& wanted);
int list_tasks(const call& wanted);
/// Writes the files of a new project into a folder that is empty or not there yet.
int init_project(const call& wanted);

} // namespace bulkhead::command
