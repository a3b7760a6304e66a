#pragma once

#include "tools/text/document.hpp"

#include <filesystem>

namespace bulkhead::config {

/// Puts the inputs of all lines with a "failure" in place of the job's own: of a file that
/// `run --failed` has written, or of results that have failures among them. Results of such a job
/// go behind what its output has, unless it says otherwise. All that is wrong with the file goes to
/// `found`.
void take_failed_inputs(const std::filesystem::path& file, document& job, problems& found);

} // namespace bulkhead::config
