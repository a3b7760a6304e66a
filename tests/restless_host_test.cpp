// ctest-timeout: 180
// ctest-label: fault
// Hosts that fork, execute themselves, close what is not theirs, or are started by the dynamic
// linker.
#include "tests/support/leak_guard.hpp"
#include "tests/support/sanitizer_calls.hpp"
#include "tests/support/temporary_folder.hpp"

#include <bulkhead/tasks.hpp>

#include <doctest/doctest.h>

#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

using namespace bulkhead::tests;

namespace {

const std::string program = BULKHEAD_TEST_PROGRAM_DIR "/restless_host";

int run(std::vector<std::string> words) {
  std::vector<char*> arguments;
  arguments.reserve(words.size() + 1);
  for (auto& word : words)
    arguments.push_back(word.data());
  arguments.push_back(nullptr);
  pid_t pid = 0;
  REQUIRE(posix_spawn(&pid, words[0].c_str(), nullptr, nullptr, arguments.data(), environ) == 0);
  int status = 0;
  REQUIRE(::waitpid(pid, &status, 0) == pid);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

} // namespace

TEST_CASE("a program that becomes a daemon after init calls init again, and has pools") {
  const leak_guard guard;
  CHECK(run({program, "copy"}) == 0);
}

TEST_CASE(
  "a program that closes all descriptors after init has pools, and its own files in peace") {
  const leak_guard guard;
  CHECK(run({program, "closes"}) == 0);
}

TEST_CASE("a program that executes itself leaves no forkserver behind") {
  const leak_guard guard;
  CHECK(run({program, "executes"}) == 0);
}

TEST_CASE("the number of a file that was open before init is given to no other file in a worker") {
  const leak_guard guard;
  CHECK(run({program, "numbers"}) == 0);
}

TEST_CASE("exit() in a task runs no destructor of the host's static objects") {
  const leak_guard guard;
  const bulkhead::testing::temporary_folder folder;
  const auto file = folder.path() / "ends";
  ::setenv("RESTLESS_HOST_FILE", file.c_str(), 1);
  CHECK(run({program, "exits"}) == 0);
  ::unsetenv("RESTLESS_HOST_FILE");
  std::ifstream in{file};
  const auto lines = std::count(std::istreambuf_iterator<char>{in}, {}, '\n');
  CHECK(lines == 1); // the host's own
}

TEST_CASE("a program that the dynamic linker was told to start has pools") {
  const leak_guard guard;
  std::string linker;
  for (const char* each : {"/lib64/ld-linux-x86-64.so.2", "/lib/ld-linux-aarch64.so.1"})
    if (std::filesystem::exists(each))
      linker = each;
  if (linker.empty())
    return; // another architecture
  const no_leak_check of_what_the_linker_allocates;
  CHECK(run({linker, program, "loader"}) == 0);
}
