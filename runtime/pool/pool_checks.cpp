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

// What is wrong with options, told before anything is started. Each message names the option, its
// value and what is allowed.
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

// What only a process has, where there are none.
void check_without_processes(const pool_options& o) {
  const pool_options plain;
  const auto only_default = [](bool is_default, const char* option) {
    if (!is_default)
      refuse(option, "set",
             "the default with start_method::thread and eager; only worker processes, as of "
             "start_method::forkserver, can be given one");
  };
  only_default(o.max_memory_per_worker == plain.max_memory_per_worker, "max_memory_per_worker");
  only_default(o.limits == plain.limits, "limits");
  only_default(o.sandbox == plain.sandbox, "sandbox");
  only_default(o.affinity == plain.affinity, "affinity");
  only_default(o.nice == plain.nice, "nice");
  only_default(o.output == plain.output, "output");
  only_default(o.unresponsive_after == plain.unresponsive_after, "unresponsive_after");
  only_default(o.threads_per_worker == 0, "threads_per_worker");
  only_default(!o.measure_growth, "measure_growth");
  only_default(o.max_shared_result == 0, "max_shared_result");
}

// Of a pool's options, or of a task's: `whose`. `retries`: what they come to.
void check_retry(const std::string& whose, const retry_policy& retry, std::size_t retries) {
  const auto refuse_it = [&](const std::string& member, const std::string& what) {
    throw config_error(whose + "::retry" + member + ' ' + what);
  };
  const auto has = [&](failure_kind kind) {
    return std::find(retry.kinds.begin(), retry.kinds.end(), kind) != retry.kinds.end();
  };
  if (retry == retry_policy{})
    return;
  if (retries == 0)
    refuse_it("", "is set, and retries is 0, so nothing is tried again; set retries too");
  for (const auto kind : retry.kinds)
    if (kind != failure_kind::worker_died && kind != failure_kind::timeout
        && kind != failure_kind::task_exception)
      refuse_it(".kinds", "has " + std::string{to_string(kind)}
                            + "; allowed: worker_died, timeout, task_exception");
  if (retry.kinds.empty())
    refuse_it(".kinds", "is empty, so nothing is tried again; name a kind, or set retries to 0");
  if (!retry.causes.empty() && !has(failure_kind::worker_died))
    refuse_it(".causes", "chooses among deaths, and retry.kinds lacks worker_died");
  if (!retry.types.empty() && !has(failure_kind::task_exception))
    refuse_it(".types", "chooses among exceptions, and retry.kinds lacks task_exception");
  if (retry.pause.count() < 0 || retry.pause > retry.pause_max)
    refuse_it(".pause", "is " + std::to_string(retry.pause.count())
                          + " ns; allowed: 0 ns to retry.pause_max, "
                          + std::to_string(retry.pause_max.count()) + " ns");
  if (retry.pause_max > std::chrono::hours{24})
    refuse_it(".pause_max",
              "is " + std::to_string(retry.pause_max.count()) + " ns; allowed: at most 24 h");
}

// Fills in what of workers, min_workers and max_workers is left open.
void check_bounds(pool_options& o) {
  const bool both = o.min_workers != 0 && o.max_workers != 0;
  require(!both || o.min_workers <= o.max_workers, "min_workers", o.min_workers,
          "at most max_workers");
  require(o.workers == 0 || o.min_workers <= o.workers, "min_workers", o.min_workers,
          "at most workers");
  require(o.max_workers == 0 || o.workers <= o.max_workers, "max_workers", o.max_workers,
          "workers or more");
  if (o.workers == 0)
    o.workers = std::clamp(available_parallelism(), std::max<std::size_t>(o.min_workers, 1),
                           o.max_workers != 0 ? o.max_workers : SIZE_MAX);
  o.min_workers = o.min_workers != 0 ? o.min_workers : o.workers;
  o.max_workers = o.max_workers != 0 ? o.max_workers : o.workers;
  check_worker_count(o.max_workers);
  require(o.idle_timeout.count() > 0, "idle_timeout", o.idle_timeout.count(), "more than 0 ns");
  if (o.start == start_method::eager && o.min_workers != o.max_workers)
    refuse("max_workers", std::to_string(o.max_workers),
           "as min_workers with start_method::eager, which has no workers");
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
  check_bounds(o);
  require(o.queue_capacity >= 1, "queue_capacity", o.queue_capacity, "1 or more");
  require(o.queue_bytes >= 4096, "queue_bytes", o.queue_bytes, "4096 or more");
  require(o.ring_capacity >= (std::size_t{64} << 10) && o.ring_capacity <= (std::size_t{1} << 30),
          "ring_capacity", o.ring_capacity, "65536 (64 KiB) to 1073741824 (1 GiB)");
  // Positions in a ring are cut by a mask.
  o.ring_capacity = std::bit_ceil(o.ring_capacity);
  require(o.nice >= 0 && o.nice <= 19, "nice", o.nice, "0 to 19");
  require(o.threads_per_worker <= 4096, "threads_per_worker", o.threads_per_worker, "0 to 4096");
  const bool heard = o.output == output_mode::prefix || o.output == output_mode::capture;
  if (o.on_output && !heard)
    refuse("on_output", "set", "with output_mode::prefix or capture, or there is nothing to hear");
  if (o.prefetch && o.start == start_method::eager)
    refuse("prefetch", std::to_string(*o.prefetch),
           "empty with start_method::eager, where nothing is sent ahead");
  if (o.observe && o.start == start_method::eager)
    refuse("observe", "true", "false with start_method::eager, which has no workers to look at");
  check_times(o);
  check_retry("pool_options", o.retry, 1); // tasks may have retries of their own
  // Longer than any clock of the library can add: "for ever" must not overflow into the past.
  for (auto* time : {&o.max_age_per_worker, &o.task_timeout, &o.unresponsive_after, &o.ready_within,
                     &o.restart.within, &o.restart.backoff_initial, &o.restart.backoff_max,
                     &o.limits.cpu_time, &o.idle_timeout})
    *time = std::min(*time, longest_limit);
  for (const auto cpu : o.affinity)
    require(cpu >= 0 && cpu < CPU_SETSIZE, "affinity", cpu, "numbers of CPUs, 0 to 1023");
  if (o.start == start_method::thread || o.start == start_method::eager)
    check_without_processes(o);
  return o;
}

} // namespace bulkhead::runtime

namespace bulkhead::detail {

task_options checked(task_options o, const pool_options& pool) {
  const auto check = [](const char* name, std::chrono::nanoseconds value) {
    if (value.count() < 0)
      throw config_error(std::string("task_options::") + name + " is "
                         + std::to_string(value.count()) + " ns; allowed: 0 ns (none) or more");
  };
  check("timeout", o.timeout);
  check("soft_timeout", o.soft_timeout);
  check("deadline", o.deadline);
  check("hedge_after", o.hedge_after);
  if (o.hedge_after.count() != 0 && (pool.start == start_method::eager || pool.engine))
    throw config_error(
      "task_options::hedge_after is set; allowed: 0 ns (never) with an engine, and "
      "with start_method::eager, which has no second worker");
  if (o.retry)
    runtime::check_retry("task_options", *o.retry, o.retries.value_or(pool.retries));
  return o;
}

} // namespace bulkhead::detail
