#include "tests/support/nemesis.hpp"

#include "runtime/descriptors.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <random>
#include <system_error>
#include <utility>
#include <vector>

namespace bulkhead::tests {

namespace {

// A sanitized worker starts slowly; a storm that lets none start at all ends the pool, as it
// should.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr int patience = 4;
#else
constexpr int patience = 1;
#endif

std::pair<runtime::unique_fd, runtime::unique_fd> make_pipe() {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0)
    throw std::system_error(errno, std::generic_category(), "pipe2");
  return {runtime::unique_fd{ends[0]}, runtime::unique_fd{ends[1]}};
}

void strike_one(std::vector<runtime::unique_fd>& targets, std::mt19937& random, int kill_percent,
                std::uint64_t& sent) {
  while (!targets.empty()) {
    const auto at = random() % targets.size();
    const bool kills = static_cast<int>(random() % 100) < kill_percent;
    const bool hit = runtime::send_signal(targets[at].get(), kills ? SIGKILL : SIGSTOP);
    if (kills || !hit) { // gone, or as good as gone
      targets.erase(targets.begin() + static_cast<std::ptrdiff_t>(at));
    }
    if (hit) {
      ++sent;
      return;
    }
  }
}

} // namespace

nemesis::nemesis(plan what) {
  what.interval *= patience;
  auto [pids_read, pids_write] = make_pipe();
  auto [report_read, report_write] = make_pipe();
  pid_ = ::fork();
  if (pid_ < 0)
    throw std::system_error(errno, std::generic_category(), "fork");
  if (pid_ == 0) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    pids_write.reset();
    run(what, pids_read.get(), report_write.get());
  }
  pids_ = std::move(pids_write);
  report_ = std::move(report_read);
}

void nemesis::run(plan what, int pids, int report) {
  std::vector<runtime::unique_fd> targets;
  std::mt19937 random{what.seed};
  std::uint64_t sent = 0;
  auto next = std::chrono::steady_clock::now() + what.interval;
  for (;;) {
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(
      next - std::chrono::steady_clock::now());
    pollfd look{pids, POLLIN, 0};
    const int ready = ::poll(&look, 1, std::max(0, static_cast<int>(left.count())));
    if (ready > 0) {
      pid_t pid = 0;
      if (::read(pids, &pid, sizeof pid) != sizeof pid)
        break; // the end of the storm
      if (auto fd = runtime::open_pidfd(pid); fd)
        targets.push_back(std::move(fd));
    }
    if (std::chrono::steady_clock::now() < next)
      continue;
    strike_one(targets, random, what.kill_percent, sent);
    next = std::chrono::steady_clock::now() + what.interval;
  }
  [[maybe_unused]] const auto written = ::write(report, &sent, sizeof sent);
  ::_exit(0);
}

std::function<void(const pool_event&)> nemesis::feed() const {
  return [fd = pids_.get()](const pool_event& event) {
    if (event.kind == event_kind::started) [[maybe_unused]]
      const auto written = ::write(fd, &event.pid, sizeof event.pid);
  };
}

std::uint64_t nemesis::stop() {
  if (pid_ == 0)
    return sent_;
  pids_.reset();
  if (::read(report_.get(), &sent_, sizeof sent_) != sizeof sent_)
    sent_ = 0;
  ::waitpid(std::exchange(pid_, 0), nullptr, 0);
  return sent_;
}

} // namespace bulkhead::tests
