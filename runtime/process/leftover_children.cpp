#include "runtime/process/leftover_children.hpp"

#include "runtime/system/children.hpp"

#include <dirent.h>
#include <sys/wait.h>

#include <array>
#include <csignal>
#include <cstdlib>
#include <utility>

// Children that a task left behind and that have ended. They are reaped once the task that made
// them cannot wait for them any more: when the worker idles, or has answered since they were first
// seen.
namespace bulkhead::runtime {

namespace {

constexpr int only_looking = WEXITED | WNOHANG | WNOWAIT | __WALL;

bool has_ended_child(idtype_t which, pid_t pid) noexcept {
  siginfo_t about{};
  return ::waitid(which, static_cast<id_t>(pid), &about, only_looking) == 0 && about.si_pid != 0;
}

void add_ended_children_of(pid_t thread, std::vector<pid_t>& into) {
  std::array<pid_t, 1024> pids{};
  const auto count = list_children(thread, pids);
  for (const auto pid : std::span{pids.data(), count})
    if (has_ended_child(P_PID, pid))
      into.push_back(pid);
}

} // namespace

std::vector<pid_t> leftover_children::due(std::span<const pid_t> dead, work_sign before,
                                          work_sign after) {
  const auto idle = before == after && before.sleep % 2 == 1;
  std::vector<pid_t> found;
  std::unordered_map<pid_t, std::uint64_t> seen;
  for (const auto pid : dead) {
    const auto known = first_seen_.find(pid);
    if (idle || (known != first_seen_.end() && known->second != before.answered))
      found.push_back(pid);
    else // the task that may have made it is at the latest the one that runs now
      seen.emplace(pid, known != first_seen_.end() ? known->second : after.answered);
  }
  first_seen_ = std::move(seen);
  return found;
}

std::vector<pid_t> ended_children() {
  std::vector<pid_t> found;
  // The usual case costs one system call; the list of threads is read only where there is a zombie.
  if (!has_ended_child(P_ALL, 0))
    return found;
  auto* threads = ::opendir("/proc/self/task");
  if (threads == nullptr)
    return found;
  while (const auto* entry = ::readdir(threads))
    if (const auto thread = std::atoi(entry->d_name); thread > 0)
      add_ended_children_of(thread, found);
  ::closedir(threads);
  return found;
}

} // namespace bulkhead::runtime
