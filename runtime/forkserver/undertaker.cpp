#include "runtime/forkserver/undertaker.hpp"

#include "runtime/system/children.hpp"

#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <span>
#include <vector>

// Children of the forkserver: workers, what a preload started (residents), and orphans of workers,
// which the kernel gives to it as the subreaper (man 2 prctl, PR_SET_CHILD_SUBREAPER). No orphan
// outlives its worker.
namespace bulkhead::runtime {

namespace {

// A child that has ended and is still there; 0: none.
pid_t next_dead() noexcept {
  siginfo_t ended{};
  // WNOWAIT leaves it a zombie: until it is reaped its number names it and no other, so its group
  // can be killed safely.
  if (::waitid(P_ALL, 0, &ended, WEXITED | WNOHANG | WNOWAIT | __WALL) != 0)
    return 0;
  return ended.si_pid;
}

} // namespace

void undertaker::spare_present() {
  std::vector<pid_t> pids(workers_.size() + residents_.size() + 1024);
  const auto count = list_children(::gettid(), pids);
  for (const auto pid : std::span{pids.data(), count})
    if (!workers_.contains(pid))
      residents_.insert(pid);
}

// Whether there were strangers among the children.
bool undertaker::kill_strangers() const {
  std::vector<pid_t> pids(workers_.size() + 1024);
  const auto count = list_children(::gettid(), pids);
  bool any = false;
  for (const auto pid : std::span{pids.data(), count}) {
    if (workers_.contains(pid) || residents_.contains(pid))
      continue;
    ::kill(pid, SIGKILL);
    any = true;
  }
  return any;
}

// A dead worker's orphans became ours when it died, so they are in the list before it is reaped.
// A stranger's own children become ours when it dies: that wakes us again, so the chain ends.
void undertaker::reap(const report& tell) {
  while (const auto pid = next_dead()) {
    const auto known = workers_.contains(pid);
    if (known)
      ::kill(-pid, SIGKILL); // while it is unreaped, its number names its group and no other
    kill_strangers();
    residents_.erase(pid); // its number may be given again
    int status = 0;
    rusage usage{};
    // Reaped last, when its group and its orphans have got their signals.
    if (::wait4(pid, &status, __WALL, &usage) != pid || !known)
      continue;
    workers_.erase(pid);
    tell(pid, status, usage);
  }
}

void undertaker::bury_all() noexcept {
  residents_.clear();         // nobody outlives the host
  constexpr int turns = 2000; // of a millisecond
  for (int turn = 0; turn < turns; ++turn) {
    for (const auto pid : workers_) {
      ::kill(-pid, SIGKILL);
      ::kill(pid, SIGKILL);
    }
    const auto strangers = kill_strangers();
    reap([](pid_t, int, const rusage&) {});
    if (workers_.empty() && !strangers)
      return;
    ::poll(nullptr, 0, 1);
  }
}

} // namespace bulkhead::runtime
