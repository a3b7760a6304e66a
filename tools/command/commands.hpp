#pragma once

#include "tools/console/call.hpp"

namespace bulkhead::command {

// Each of them returns the exit status. Results go to standard output, all else to standard error.

/// `init` is called, with the arguments of main, once the configuration is known to be good.
int run_job(const call& wanted, int argc, char** argv);
/// Runs the job with its sandbox audited, strict where it has none, and prints the smallest that it
/// needs on standard output; the report goes to standard error.
int audit_job(const call& wanted, int argc, char** argv);
/// What run would do, for --dry-run. Throws config_error where the journal does not fit.
int show_plan(const call& wanted, const config::job& job);
int validate_job(const call& wanted);
/// Whether the file describes a system of actors, for which these two are.
bool is_system(const call& wanted);
int run_system(const call& wanted, int argc, char** argv);
int validate_system(const call& wanted);
int list_tasks(const call& wanted);
/// A live view in the terminal of a program of this user; without one, the list of such programs.
int show_top(const call& wanted);
/// Where the threads of a worker, or of all workers of a program, stand now.
int show_stack(const call& wanted);
/// What happens to the workers of a program, a line each, until it ends.
int show_events(const call& wanted);
/// Takes tasks of a queue until a signal; `init` is called with the arguments of main.
int serve_node(const call& wanted, int argc, char** argv);
/// Whether the broker takes us, and which nodes answer.
int check_cluster(const call& wanted);
/// Starts the job in processes of its own and prints its name; with the arguments of main.
int detach_job(const call& wanted, int argc, char** argv);
/// The detached jobs of this user.
int list_jobs(const call& wanted);
/// Follows a detached job to its end, and starts it again where it was interrupted.
int attach_job(const call& wanted);
/// Writes the files of a new project into a folder that is empty or not there yet.
int init_project(const call& wanted);

} // namespace bulkhead::command
