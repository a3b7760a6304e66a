#include "tests/support/nemesis.hpp"

#include "runtime/system/descriptors.hpp"

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

/// What the pool's events tell: a process to strike, or that one more worker serves.
struct word {
  pid_t started = 0;
  bool serves = false;
};

// A sanitized worker works slowly.
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

/// Whether there was one to signal.
bool strike_one(std::vector<runtime::unique_fd>& targets, std::mt19937& random, bool kills) {
  while (!targets.empty()) {
    const auto at = random() % targets.size();
    const bool hit = runtime::send_signal(targets[at].get(), kills ? SIGKILL : SIGSTOP);
    if (kills || !hit) // gone, or as good as gone
      targets.erase(targets.begin() + static_cast<std::ptrdiff_t>(at));
    if (hit)
      return true;
  }
  return false;
}

} // namespace

nemesis::nemesis(plan what) {
  what.interval *= patience;
  auto [words_read, words_write] = make_pipe();
  auto [report_read, report_write] = make_pipe();
  pid_ = ::fork();
  if (pid_ < 0)
    throw std::system_error(errno, std::generic_category(), "fork");
  if (pid_ == 0) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    words_write.reset();
    run(what, words_read.get(), report_write.get());
  }
  words_ = std::move(words_write);
  report_ = std::move(report_read);
}

void nemesis::run(plan what, int words, int report) {
  using clock = std::chrono::steady_clock;
  // On a busy machine a start takes longer than the interval; a storm by the clock alone would let
  // nobody work. But some replacements serve before their predecessors end.
  const auto longest_wait = what.interval * 50;
  std::vector<runtime::unique_fd> targets;
  std::mt19937 random{what.seed};
  std::uint64_t sent = 0;
  auto next = clock::now() + longest_wait;
  for (;;) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(next - clock::now());
    pollfd look{words, POLLIN, 0};
    if (::poll(&look, 1, std::max(0, static_cast<int>(left.count()))) > 0) {
      word told;
      if (::read(words, &told, sizeof told) != sizeof told)
        break; // the end of the storm
      if (told.serves)
        next = std::min(next, clock::now() + what.interval);
      else if (auto fd = runtime::open_pidfd(told.started); fd)
        targets.push_back(std::move(fd));
    }
    if (clock::now() < next)
      continue;
    const bool kills = static_cast<int>(random() % 100) < what.kill_percent;
    const bool hit = strike_one(targets, random, kills);
    sent += hit;
    next = clock::now() + (hit && kills ? longest_wait : what.interval);
  }
  [[maybe_unused]] const auto written = ::write(report, &sent, sizeof sent);
  ::_exit(0);
}

std::function<void(const pool_event&)> nemesis::feed() const {
  return [fd = words_.get()](const pool_event& event) {
    const word told{.started = event.pid, .serves = event.kind == event_kind::ready};
    if (told.serves || event.kind == event_kind::started) [[maybe_unused]]
      const auto written = ::write(fd, &told, sizeof told);
  };
}

std::uint64_t nemesis::stop() {
  if (pid_ == 0)
    return sent_;
  words_.reset();
  if (::read(report_.get(), &sent_, sizeof sent_) != sizeof sent_)
    sent_ = 0;
  ::waitpid(std::exchange(pid_, 0), nullptr, 0);
  return sent_;
}

} // namespace bulkhead::tests
