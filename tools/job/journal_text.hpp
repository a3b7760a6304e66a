#pragma once

#include "tools/config/job.hpp"

#include <bulkhead/detail/task_entry.hpp>
#include <bulkhead/failure.hpp>

#include <string>

namespace bulkhead::command {

using config::json;

// What a journal holds as text.

/// What makes a job the same: task, code and arguments, kind and number of the inputs. All else may
/// change before it goes on: workers, limits, outputs, the reduction.
json identity_of(const config::job& job, const detail::task_entry& task);

/// Which member of it differs, in words, with what to do.
std::string difference(const std::string& member, const json& in_journal, const json& in_job);

/// A failure, whole, as one line of JSON; and back. What is no such line gives a failure that says
/// so.
std::string failure_text(const failure& f);
failure failure_from(const std::string& text);

} // namespace bulkhead::command
