#pragma once

#include <bulkhead/observe/snapshot.hpp>

#include <string>
#include <utility>
#include <vector>

namespace bulkhead::observe {

/// What a report says beside the figures: "command", "bulkhead run job.json"; ...
using report_notes = std::vector<std::pair<std::string, std::string>>;

/// One page of HTML with everything after the fact: summary, progress, busy workers, memory, run
/// times by task, the slowest and the failed tasks with their reasons, events. It asks no host for
/// anything and has no script.
std::string report_html(const snapshot& of, const report_notes& notes = {});

/// The same as data, in JSON: docs/observe.md says what the members mean.
std::string report_json(const snapshot& of);

} // namespace bulkhead::observe
