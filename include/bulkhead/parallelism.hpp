#pragma once

#include <cstddef>

namespace bulkhead {

/// How many workers can really run at the same time: the CPUs this process may use, or less where
/// a cgroup (v1 or v2) on the way to the root has a CPU quota; at least 1.
std::size_t available_parallelism();

} // namespace bulkhead
