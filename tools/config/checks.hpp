#pragma once

#include "tools/config/job.hpp"

#include <bulkhead/options.hpp>

namespace bulkhead::config {

/// So many inputs are looked at before a job starts: bounds the time of the check, not of the job.
inline constexpr std::size_t checked_inputs = 100'000;

/// Options that contradict each other. Pure.
void check_contradictions(const document& from, const job& wanted, problems& found);

/// What this machine and this user allow, compared with what the pool needs: descriptors,
/// processes, memory, CPUs, hard limits.
void check_capacity(const document& from, const pool_options& wanted, problems& found);

/// Whether this machine has what pool.sandbox asks for, and its paths are there.
void check_sandbox(const document& from, const sandbox_policy& wanted, problems& found);

/// Looks at the disk: expands globs and checks input and output files.
void check_files(const document& from, job& wanted, problems& found);

/// Loads the task libraries into this process and looks the tasks up: they exist, and take what
/// the inputs are.
void check_tasks(const document& from, const job& wanted, problems& found);

/// Loads the libraries alone, whatever they hold.
void check_libraries(const document& from, const job& wanted, problems& found);

/// Loads the libraries of a command line without a job.
void load_libraries(const std::vector<std::filesystem::path>& libraries, problems& found);

} // namespace bulkhead::config
