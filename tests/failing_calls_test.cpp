// ctest-label: fault
// ctest-label: once
// ctest-timeout: 600
// The n-th call fails, for n = 1, 2, 3 ... until a run is too short for it: whichever call it is,
// the program ends with right results or with one error, and leaves nothing behind.
#include "runtime/system/children.hpp"
#include "tests/support/temporary_folder.hpp"

#include <doctest/doctest.h>

#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <csignal>
#include <cstddef>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <thread>
#include <vector>

namespace {

constexpr int patience_ms = 60'000; // of one run, which needs less than a second

/// How a run ended, and what it said.
struct run_end {
  int status = 0;
  bool in_time = true;
  bool injected = false;
  bool left_alone = true; ///< no descendant outlived it
  std::string said;
};

std::string text_of(const std::filesystem::path& file) {
  std::ifstream in{file};
  return {std::istreambuf_iterator<char>{in}, {}};
}

std::vector<pid_t> children() {
  std::array<pid_t, 256> pids;
  const auto count = bulkhead::runtime::list_children(::gettid(), pids);
  return {pids.begin(), pids.begin() + static_cast<std::ptrdiff_t>(count)};
}

/// True when all children but these (our own forkserver) have ended; orphans of a run are ours.
bool all_gone_but(const std::vector<pid_t>& ours) {
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds{20};
  for (bool any = true; any && std::chrono::steady_clock::now() < deadline;) {
    any = false;
    for (const auto pid : children())
      if (std::ranges::find(ours, pid) == ours.end())
        any = ::waitpid(pid, nullptr, WNOHANG | __WALL) != pid || any;
    if (!any)
      return true;
    std::this_thread::yield();
  }
  return false;
}

pid_t start(const std::filesystem::path& said) {
  std::string program = BULKHEAD_TEST_PROGRAM_DIR "/failing_host";
  char* arguments[] = {program.data(), nullptr};
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, said.c_str(),
                                   O_WRONLY | O_CREAT | O_TRUNC | O_APPEND, 0600);
  pid_t pid = 0;
  const auto error = ::posix_spawn(&pid, program.c_str(), &actions, nullptr, arguments, environ);
  posix_spawn_file_actions_destroy(&actions);
  REQUIRE(error == 0);
  return pid;
}

run_end run(const char* call, const char* where, int turn) {
  const bulkhead::testing::temporary_folder folder;
  const auto report = folder.path() / "report";
  ::setenv("BULKHEAD_FAILING_CALL", call, 1);
  ::setenv("BULKHEAD_FAILING_WHERE", where, 1);
  ::setenv("BULKHEAD_FAILING_TURN", std::to_string(turn).c_str(), 1);
  ::setenv("BULKHEAD_FAILING_REPORT", report.c_str(), 1);
  const auto ours = children();
  const auto pid = start(folder.path() / "said");
  const auto pidfd = static_cast<int>(::syscall(SYS_pidfd_open, pid, 0));
  pollfd ended{pidfd, POLLIN, 0};
  run_end end;
  end.in_time = ::poll(&ended, 1, patience_ms) == 1;
  ::close(pidfd);
  if (!end.in_time)
    ::kill(pid, SIGABRT);
  ::waitpid(pid, &end.status, 0);
  end.left_alone = all_gone_but(ours);
  end.injected = std::filesystem::exists(report);
  end.said = text_of(folder.path() / "said");
  return end;
}

/// All turns up to a hundred, then ever fewer.
int next(int turn) { return turn + 1 + turn / 100; }

void sweep(const std::string& call, const std::string& where) {
  ::prctl(PR_SET_CHILD_SUBREAPER, 1);
  int errors = 0;
  int runs = 0;
  for (int turn = 1;; turn = next(turn)) {
    CAPTURE(call);
    CAPTURE(where);
    CAPTURE(turn);
    const auto end = run(call.c_str(), where.c_str(), turn);
    INFO(end.said);
    CHECK(end.in_time);
    CHECK(end.left_alone);
    REQUIRE(WIFEXITED(end.status));
    const int code = WEXITSTATUS(end.status);
    CHECK((code == 0 || code == 3));
    if (code == 3)
      CHECK(end.said.find("failing_host: ") != std::string::npos);
    if (!end.injected) {
      CHECK(code == 0);
      break;
    }
    ++runs;
    errors += code == 3 ? 1 : 0;
  }
  MESSAGE(call << " in " << where << ": " << runs << " runs with a failure, " << errors
               << " ended with an error, the others with all results");
}

constexpr const char* calls[] = {"memfd_create",  "ftruncate", "posix_fallocate", "mmap",
                                 "madvise",       "eventfd",   "socketpair",      "sendmsg",
                                 "recvmsg",       "fcntl",     "pidfd_open",      "clone",
                                 "epoll_create1", "epoll_ctl", "pthread_create"};

} // namespace

TEST_CASE("whichever system call of the host fails, the program ends as it should") {
  for (const auto* call : calls)
    sweep(call, "host");
}

TEST_CASE("whichever system call of a forkserver or worker fails, the program ends as it should") {
  for (const auto* call :
       {"mmap", "madvise", "sendmsg", "recvmsg", "fcntl", "pthread_create", "pidfd_open"})
    sweep(call, "children");
}

TEST_CASE("whichever allocation of the user's thread fails, the program ends as it should") {
  sweep("new", "host");
}
