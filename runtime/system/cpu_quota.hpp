#pragma once

#include <string>

namespace bulkhead::runtime {

/// The smaller of `limit` and the CPU quotas (in CPUs) of the process's cgroups, v1 and v2, each up
/// to its root. The arguments are the files /proc/self/mountinfo and /proc/self/cgroup; what cannot
/// be read limits nothing.
double cpu_quota(const std::string& mountinfo, const std::string& cgroup, double limit);

} // namespace bulkhead::runtime
