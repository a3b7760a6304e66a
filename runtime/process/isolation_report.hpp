#pragma once

#include "runtime/process/worker_setup.hpp"

#include <bulkhead/isolation.hpp>
#include <bulkhead/options.hpp>

#include <string_view>
#include <vector>

namespace bulkhead::runtime {

/// What protects one worker process: from what its clean start reported (null: it has not started)
/// and from whether its forkserver lives.
std::vector<isolation_feature> isolation_report(const worker_setup& setup,
                                                const setup_report* report, bool orphaned);

/// Every feature as requested and inactive for one reason: for thread and eager pools.
std::vector<isolation_feature> no_isolation(std::string_view why_not);

} // namespace bulkhead::runtime
