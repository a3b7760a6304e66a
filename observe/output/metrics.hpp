#pragma once

#include <bulkhead/observe/snapshot.hpp>

#include <string>
#include <vector>

namespace bulkhead::observe::detail {

/// The figures of these pools in the text format of Prometheus.
std::string metrics_text(const std::vector<snapshot>& pools);

} // namespace bulkhead::observe::detail
