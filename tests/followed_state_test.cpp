// ctest-timeout: 120
#include "runtime/process/standing.hpp"
#include "runtime/system/launch_error.hpp"
#include "tests/support/leak_guard.hpp"

#include <doctest/doctest.h>

#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <string>

using namespace bulkhead::tests;
using bulkhead::runtime::standing;

namespace {

int run_host(std::string which) {
  std::string program = BULKHEAD_TEST_PROGRAM_DIR "/changing_host";
  char* arguments[] = {program.data(), which.data(), nullptr};
  pid_t pid = 0;
  REQUIRE(posix_spawn(&pid, program.c_str(), nullptr, nullptr, arguments, environ) == 0);
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

TEST_CASE("a standing arrives as it was sent, and a cut one is refused") {
  const auto own = standing::now();
  const auto bytes = own.encode();
  const auto got = standing::decode(bytes);
  CHECK(got.encode() == bytes);
  CHECK(got.groups == own.groups);
  CHECK_THROWS_AS(standing::decode(std::span{bytes}.first(40)), bulkhead::runtime::launch_error);
}
