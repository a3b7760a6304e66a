#include "runtime/pool/pool_checks.hpp"

#include "runtime/dispatch/worker_watch.hpp"

#include <bulkhead/detail/pool_core.hpp>
#include <bulkhead/error.hpp>
#include <bulkhead/parallelism.hpp>

#include <sched.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <string>

namespace bulkhead::runtime {

namespace {

/// Descriptors the host needs for each worker: eventfd, pidfd, control socket, output pipe.
constexpr std::size_t fds_a_worker = 4;
constexpr std::size_t spare_fds = 32;

std::size_t limit_of(__rlimit_resource which) {
  rlimit limit{};
  if (::getrlimit(which, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY)
    return SIZE_MAX;
  return limit.rlim_cur;
}

void refuse(const std::string& option, const std::string& value, const std::string& allowed) {
  throw config_error("pool_options::" + option + " is " + value + "; allowed: " + allowed);
}

template <class T>
void require(bool good, const char* option, T value, const char* allowed) {
  if (!good)
    refuse(option, std::to_string(value), allowed);
}

void require_duration(const char* option, std::chrono::nanoseconds value) {
  require(value.count() >= 0, option, value.count(), "0 ns (none) or more");
}

void check_times(const pool_options& o) {
  require_duration("max_age_per_worker", o.max_age_per_worker);
  require_duration("task_timeout", o.task_timeout);
  require_duration("grace", o.grace);
  require(o.grace <= std::chrono::hours{24}, "grace", o.grace.count(), "at most 24 h, in ns");
  require(o.unresponsive_after >= std::chrono::milliseconds{50}, "unresponsive_after",
          o.unresponsive_after.count(), "50 ms or more, in ns");
  require_duration("ready_within", o.ready_within);
  require_duration("restart.within", o.restart.within);
  require_duration("restart.backoff_initial", o.restart.backoff_initial);
  require_duration("restart.backoff_max", o.restart.backoff_max);
  require_duration("limits.cpu_time", o.limits.cpu_time);
  require(o.restart.backoff_initial <= o.restart.backoff_max, "restart.backoff_initial",
          o.restart.backoff_initial.count(), "at most restart.backoff_max");
}

} // namespace

void check_worker_count(std::size_t workers) {
  if (workers == 0)
    refuse("workers", "0", "1 or more when resizing");
  const auto need =
    workers > SIZE_MAX / fds_a_worker - spare_fds ? SIZE_MAX : workers * fds_a_worker + spare_fds;
  if (const auto have = limit_of(RLIMIT_NOFILE); need > have)
    refuse("workers", std::to_string(workers),
           "what RLIMIT_NOFILE allows: " + std::to_string(workers) + " workers need about "
             + std::to_string(need) + " descriptors, the limit is " + std::to_string(have)
             + "; use fewer workers or raise it (ulimit -n)");
  if (const auto have = limit_of(RLIMIT_NPROC); 2 * workers > have)
    refuse("workers", std::to_string(workers),
           "what RLIMIT_NPROC allows: " + std::to_string(workers) + " workers need "
             + std::to_string(2 * workers) + " threads, the limit is " + std::to_string(have)
             + "; use fewer workers or raise it (ulimit -u)");
}

pool_options checked(pool_options o) {
  if (o.workers == 0)
    o.workers = available_parallelism();
  check_worker_count(o.workers);
  require(o.queue_capacity >= 1, "queue_capacity", o.queue_capacity, "1 or more");
  require(o.queue_bytes >= 4096, "queue_bytes", o.queue_bytes, "4096 or more");
  require(o.ring_capacity >= (std::size_t{64} << 10) && o.ring_capacity <= (std::size_t{1} << 30),
          "ring_capacity", o.ring_capacity, "65536 (64 KiB) to 1073741824 (1 GiB)");
  o.ring_capacity = std::bit_ceil(o.ring_capacity);
  require(o.nice >= 0 && o.nice <= 19, "nice", o.nice, "0 to 19");
  check_times(o);
  for (auto* time :
       {&o.max_age_per_worker, &o.task_timeout, &o.unresponsive_after, &o.ready_within,
        &o.restart.within, &o.restart.backoff_initial, &o.restart.backoff_max, &o.limits.cpu_time})
    *time = std::min(*time, longest_limit);
  for (const auto cpu : o.affinity)
    require(cpu >= 0 && cpu < CPU_SETSIZE, "affinity", cpu, "numbers of CPUs, 0 to 1023");
  if (o.start == start_method::thread || o.start == start_method::eager) {
    if (o.max_memory_per_worker != 0)
      refuse("max_memory_per_worker", std::to_string(o.max_memory_per_worker),
             "0 with start_method::thread and eager: only processes have memory of their own");
    if (o.sandbox != sandbox_policy{})
      refuse("sandbox", "set",
             "no sandbox with start_method::thread and eager: only processes can be shut in");
  }
  return o;
}

} // namespace bulkhead::runtime

namespace bulkhead::detail {

task_options checked(task_options o) {
  const auto check = [](const char* name, std::chrono::nanoseconds value) {
    if (value.count() < 0)
      throw config_error(std::string("task_options::") + name + " is "
                         + std::to_string(value.count()) + " ns; allowed: 0 ns (none) or more");
  };
  check("timeout", o.timeout);
  check("soft_timeout", o.soft_timeout);
  check("deadline", o.deadline);
  return o;
}

} // namespace bulkhead::detail
