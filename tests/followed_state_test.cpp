// ctest-timeout: 120
#include "runtime/standing/standing.hpp"
#include "runtime/system/launch_error.hpp"
#include "tests/support/launching.hpp"
#include "tests/support/leak_guard.hpp"
#include "tests/support/sanitizer_calls.hpp"

#include <bulkhead/tasks.hpp>

#include <doctest/doctest.h>

#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <string>

using namespace bulkhead::tests;
using bulkhead::runtime::standing;

namespace {

int run_host(std::string which, int output = -1) {
  std::string program = BULKHEAD_TEST_PROGRAM_DIR "/changing_host";
  char* arguments[] = {program.data(), which.data(), nullptr};
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  if (output >= 0)
    posix_spawn_file_actions_adddup2(&actions, output, STDOUT_FILENO);
  pid_t pid = 0;
  REQUIRE(posix_spawn(&pid, program.c_str(), &actions, nullptr, arguments, environ) == 0);
  posix_spawn_file_actions_destroy(&actions);
  int status = 0;
  REQUIRE(::waitpid(pid, &status, 0) == pid);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

} // namespace

TEST_CASE("a worker is where the host is when it starts, with its umask, CPUs and limits") {
  const leak_guard guard;
  CHECK(run_host("moves") == 0);
}

TEST_CASE("a worker has no right that the host has given up, and its hung task is ended") {
  if (::getuid() != 0)
    return; // nobody else can give up anything
  const leak_guard guard;
  CHECK(run_host("drops") == 0);
}

TEST_CASE("a worker is the user that the host is at its start, and root again with it") {
  if (::getuid() != 0)
    return;
  const leak_guard guard;
  CHECK(run_host("comes_back") == 0);
}

TEST_CASE("a worker has the securebits, bounding and ambient capabilities that the host has now") {
  if (::getuid() != 0)
    return;
  const leak_guard guard;
  CHECK(run_host("keeps_some") == 0);
}

TEST_CASE("a worker is under the seccomp filters that the host has put on after init") {
  const leak_guard guard;
  const no_leak_check its_filter_forbids_ptrace;
  CHECK(run_host("filtered") == 0);
}

TEST_CASE("a worker prints where the host prints when it starts") {
  const leak_guard guard;
  CHECK(run_host("redirects") == 0);
}

TEST_CASE("a worker is in the namespaces that the host has entered after init") {
  if (::getuid() != 0)
    return;
  const leak_guard guard;
  CHECK(run_host("elsewhere") == 0);
}

TEST_CASE("a host with a small limit of file sizes gets errors and lives") {
  const leak_guard guard;
  CHECK(run_host("small_files") == 0);
}

TEST_CASE("what workers print on a used stdout comes once, and before they crash") {
  const leak_guard guard;
  pipe_ends pipe;
  CHECK(run_host("prints", pipe.write.get()) == 0);
  pipe.write.reset();
  const auto text = read_all(pipe.read.get());
  for (const std::string line : {"header", "preloaded", "last words", "unsynchronised"}) {
    CAPTURE(line);
    const auto at = text.find(line);
    CHECK(at != std::string::npos);
    CHECK((at == std::string::npos || text.find(line, at + 1) == std::string::npos));
  }
}

TEST_CASE(
  "a worker without free descriptors refuses or runs large arguments, and runs small ones") {
  const leak_guard guard;
  bulkhead::resource_limits limits;
  limits.open_files = 64;
  bulkhead::pool pool({.workers = 1, .limits = limits});
  pool.apply([] {
    while (::dup(0) >= 0)
      continue;
  });
  const std::string large(1 << 20, 'x');
  const auto size = [](const std::string& text) { return text.size(); };
  auto job = pool.submit(size, large);
  REQUIRE(job.wait(std::chrono::seconds{60}));
  CHECK(job.get() == large.size()); // the receiving thread keeps a descriptor in reserve
  auto small = pool.submit([] { return 7; });
  REQUIRE(small.wait(std::chrono::seconds{60}));
  CHECK(small.get() == 7);
}

TEST_CASE("a standing arrives as it was sent, and a cut one is refused") {
  const auto own = standing::now();
  const auto bytes = own.encode();
  const auto got = standing::decode(bytes);
  CHECK(got.encode() == bytes);
  CHECK(got.groups == own.groups);
  CHECK_THROWS_AS(standing::decode(std::span{bytes}.first(40)), bulkhead::runtime::launch_error);
}
