// ctest-label: fault
#include "tests/support/launching.hpp"
#include "tests/support/leak_guard.hpp"

#include "runtime/system/descriptors.hpp"

#include <doctest/doctest.h>

#include <spawn.h>
#include <sys/wait.h>

#include <csignal>

using namespace bulkhead::tests;
using namespace bulkhead::runtime;

namespace {

/// A host of its own, with the pids of all its descendants.
class doomed_host {
public:
  doomed_host() {
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, pipe_.write.get(), STDOUT_FILENO);
    char name[] = "doomed_host";
    char* arguments[] = {name, nullptr};
    REQUIRE(posix_spawn(&pid_, BULKHEAD_TEST_PROGRAM_DIR "/doomed_host", &actions, nullptr,
                        arguments, environ)
            == 0);
    posix_spawn_file_actions_destroy(&actions);
    for (int n = 0; n < 13; ++n)
      descendants_.push_back(open_pidfd(hear<pid_t>(pipe_.read.get())));
  }
  ~doomed_host() {
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
  }
  doomed_host(const doomed_host&) = delete;
  doomed_host& operator=(const doomed_host&) = delete;

  pid_t pid() const { return pid_; }
  int forkserver() const { return descendants_.front().get(); }

  void check_all_end() const {
    for (const auto& each : descendants_) {
      REQUIRE(each);
      CHECK(ends_in_time(each.get()));
    }
  }

private:
  pipe_ends pipe_;
  pid_t pid_ = 0;
  std::vector<unique_fd> descendants_;
};

} // namespace

TEST_CASE("no descendant outlives a host that is killed") {
  const leak_guard guard;
  const doomed_host host;
  const auto begin = std::chrono::steady_clock::now();
  ::kill(host.pid(), SIGKILL);
  host.check_all_end();
  const auto time = std::chrono::steady_clock::now() - begin;
  MESSAGE("all gone after " << std::chrono::duration<double, std::milli>(time).count() << " ms");
}

TEST_CASE("no descendant outlives a host that crashes") {
  const leak_guard guard;
  const doomed_host host;
  ::kill(host.pid(), SIGSEGV);
  host.check_all_end();
}

TEST_CASE("no descendant outlives a host whose forkserver was killed before it") {
  const leak_guard guard;
  const doomed_host host;
  REQUIRE(send_signal(host.forkserver(), SIGKILL));
  CHECK(ends_in_time(host.forkserver()));
  ::kill(host.pid(), SIGKILL);
  host.check_all_end();
}

TEST_CASE("no descendant outlives a host that is killed while its forkserver is stopped") {
  const leak_guard guard;
  const doomed_host host;
  REQUIRE(send_signal(host.forkserver(), SIGSTOP));
  ::kill(host.pid(), SIGKILL);
  REQUIRE(send_signal(host.forkserver(), SIGCONT));
  host.check_all_end();
}
