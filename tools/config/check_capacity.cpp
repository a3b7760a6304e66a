#include "tools/config/checks.hpp"
#include "tools/text/nearest.hpp"
#include "tools/text/shown.hpp"
#include "tools/text/units.hpp"

#include <bulkhead/parallelism.hpp>

#include <algorithm>
#include <fstream>

#include <dirent.h>
#include <sched.h>
#include <sys/resource.h>
#include <unistd.h>

#include <fmt/format.h>

namespace bulkhead::config {

namespace {

// What one worker costs the host, rounded up: doorbell, pidfd, control socket, two segments and
// their result and argument segments; and what one job needs besides.
constexpr std::uint64_t descriptors_per_worker = 12;
constexpr std::uint64_t descriptors_besides = 32;
constexpr std::uint64_t threads_per_worker = 2;
constexpr std::uint64_t threads_besides = 4;
constexpr std::uint64_t bytes_per_worker = std::uint64_t{3} << 20;

constexpr std::uint64_t unlimited = ~std::uint64_t{0};

rlimit limit_of(__rlimit_resource resource) {
  rlimit limit{};
  ::getrlimit(resource, &limit);
  return limit;
}

std::uint64_t open_descriptors() {
  std::uint64_t count = 0;
  if (auto* directory = ::opendir("/proc/self/fd")) {
    while (::readdir(directory) != nullptr)
      ++count;
    ::closedir(directory);
  }
  return count;
}

/// The number in a file of one number; `otherwise` where there is none ("max").
std::uint64_t number_in(const std::string& file, std::uint64_t otherwise) {
  std::ifstream in(file);
  std::uint64_t number = 0;
  return in >> number ? number : otherwise;
}

/// A line of /proc/meminfo, in bytes.
std::uint64_t available_memory() {
  std::ifstream in("/proc/meminfo");
  std::string name;
  std::uint64_t kibibytes = 0;
  std::string unit;
  while (in >> name >> kibibytes && std::getline(in, unit))
    if (name == "MemAvailable:")
      return kibibytes * 1024;
  return unlimited;
}

/// Processes and threads that may still be made, and what limits them.
std::pair<std::uint64_t, std::string> threads_left() {
  std::pair<std::uint64_t, std::string> least{unlimited, ""};
  const auto consider = [&least](std::uint64_t most, std::uint64_t used, std::string name) {
    const auto left = most > used ? most - used : 0;
    if (most != unlimited && left < least.first)
      least = {left, std::move(name)};
  };
  // Root is exempt from RLIMIT_NPROC; what others use of it is not known cheaply: counted as none.
  if (::geteuid() != 0)
    consider(limit_of(RLIMIT_NPROC).rlim_cur, 0, "ulimit -u");
  consider(number_in("/proc/sys/kernel/pid_max", unlimited), 0, "kernel.pid_max");
  consider(number_in("/proc/sys/kernel/threads-max", unlimited), 0, "kernel.threads-max");
  consider(number_in("/sys/fs/cgroup/pids.max", unlimited),
           number_in("/sys/fs/cgroup/pids.current", 0), "pids.max of the control group");
  return least;
}

void check_workers(const document& from, const pool_options& wanted, problems& found) {
  if (wanted.start == start_method::eager)
    return;
  const std::uint64_t workers = wanted.workers != 0 ? wanted.workers : available_parallelism();
  const pointer at("/pool/workers");
  const auto refuse = [&](std::uint64_t need, std::uint64_t have, std::uint64_t most,
                          const std::string& unit, const std::string& how) {
    found.add(from.value_place(at),
              fmt::format("pool.workers is {}, too many for this machine", workers),
              fmt::format("at most {} workers: {} need {} {}, there are {}", most, workers, need,
                          unit, have),
              fmt::format("write \"workers\": {}, or {}",
                          std::min<std::uint64_t>(most, available_parallelism()), how));
  };
  const std::uint64_t files = limit_of(RLIMIT_NOFILE).rlim_cur;
  const auto used = open_descriptors() + descriptors_besides;
  const auto left = files > used ? files - used : 0;
  if (workers * descriptors_per_worker > left)
    refuse(workers * descriptors_per_worker, left, left / descriptors_per_worker,
           "file descriptors", "raise the limit (ulimit -n)");
  const auto [threads, limit] = threads_left();
  if (workers * threads_per_worker + threads_besides > threads)
    refuse(workers * threads_per_worker + threads_besides, threads,
           threads > threads_besides ? (threads - threads_besides) / threads_per_worker : 0,
           "processes and threads", fmt::format("raise the limit ({})", limit));
  const auto each = bytes_per_worker + 2 * wanted.ring_capacity;
  const auto memory = available_memory();
  if (wanted.start != start_method::thread && workers > memory / each)
    refuse(workers * each, memory, memory / each, "bytes of memory", "lower pool.ring_capacity");
}

void check_affinity(const document& from, const pool_options& wanted, problems& found) {
  cpu_set_t allowed;
  CPU_ZERO(&allowed);
  if (::sched_getaffinity(0, sizeof allowed, &allowed) != 0)
    return;
  std::vector<std::string> usable;
  for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu)
    if (CPU_ISSET(cpu, &allowed))
      usable.push_back(std::to_string(cpu));
  for (std::size_t i = 0; i < wanted.affinity.size(); ++i) {
    const auto cpu = wanted.affinity[i];
    const bool usable_cpu = cpu < CPU_SETSIZE && CPU_ISSET(static_cast<std::size_t>(cpu), &allowed);
    const auto at = pointer("/pool/affinity") / i;
    if (!usable_cpu)
      found.add(from.value_place(at),
                fmt::format("{} is {}, a CPU that this process may not use", path_text(at), cpu),
                "one of the CPUs " + listed(usable), "remove it, or write [] for all");
  }
}

void check_limit(const document& from, const char* key, std::optional<std::uint64_t> wanted,
                 __rlimit_resource resource, problems& found) {
  const std::uint64_t hard = limit_of(resource).rlim_max;
  const auto at = pointer("/pool/limits") / key;
  if (wanted && *wanted > hard)
    found.add(from.value_place(at),
              fmt::format("{} is {}, more than the hard limit of this process", path_text(at),
                          shown(from.root.value(at, json{}))),
              fmt::format("at most {}", hard), fmt::format("write \"{}\": {}, or null", key, hard));
}

} // namespace

void check_capacity(const document& from, const pool_options& wanted, problems& found) {
  check_workers(from, wanted, found);
  check_affinity(from, wanted, found);
  const auto& limits = wanted.limits;
  check_limit(from, "address_space", limits.address_space, RLIMIT_AS, found);
  check_limit(from, "open_files", limits.open_files, RLIMIT_NOFILE, found);
  check_limit(from, "core_size", limits.core_size, RLIMIT_CORE, found);
  check_limit(from, "file_size", limits.file_size, RLIMIT_FSIZE, found);
  check_limit(from, "stack_size", limits.stack_size, RLIMIT_STACK, found);
  check_limit(from, "processes", limits.processes, RLIMIT_NPROC, found);
}

} // namespace bulkhead::config
