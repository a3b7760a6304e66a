#include <bulkhead/parallelism.hpp>

#include "runtime/system/cpu_quota.hpp"

#include <sched.h>

#include <algorithm>
#include <cmath>
#include <vector>

namespace bulkhead {

namespace {

double usable_cpus() {
  // The kernel refuses sets smaller than its own; 2^16 CPUs are more than any has.
  for (int capacity = CPU_SETSIZE; capacity <= 65536; capacity *= 2) {
    const auto bytes = CPU_ALLOC_SIZE(capacity);
    std::vector<unsigned long> words(bytes / sizeof(unsigned long));
    auto* set = reinterpret_cast<cpu_set_t*>(words.data());
    if (::sched_getaffinity(0, bytes, set) == 0)
      return CPU_COUNT_S(bytes, set);
  }
  return 1;
}

} // namespace

std::size_t available_parallelism() {
  const auto limit = runtime::cpu_quota("/proc/self/mountinfo", "/proc/self/cgroup", usable_cpus());
  return static_cast<std::size_t>(std::max(1.0, std::floor(limit + 1e-9)));
}

} // namespace bulkhead
