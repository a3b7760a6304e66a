// ctest-timeout: 180
// The same sandbox where the machine has less, or the host may less: it starts, says what it lacks,
// and refuses where all of it is required. Kernels that are older than their Landlock's parts are
// compiled for in sandbox_policy_test.
#include "tests/support/launching.hpp"
#include "tests/support/leak_guard.hpp"
#include "tests/support/sanitizer_calls.hpp"

#include <doctest/doctest.h>

#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <optional>
#include <string>

using namespace bulkhead::tests;

namespace {

/// What surrounded_host prints; empty, with a message: these surroundings cannot be made here.
std::optional<std::string> printed_by(std::string surroundings, std::string profile,
                                      std::string how = "-") {
  std::string program = BULKHEAD_TEST_PROGRAM_DIR "/surrounded_host";
  char* arguments[] = {program.data(), surroundings.data(), profile.data(), how.data(), nullptr};
  pipe_ends pipe;
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, pipe.write.get(), STDOUT_FILENO);
  pid_t pid = 0;
  REQUIRE(posix_spawn(&pid, program.c_str(), &actions, nullptr, arguments, environ) == 0);
  posix_spawn_file_actions_destroy(&actions);
  pipe.write.reset();
  const auto text = read_all(pipe.read.get());
  int status = 0;
  REQUIRE(::waitpid(pid, &status, 0) == pid);
  if (WIFEXITED(status) && WEXITSTATUS(status) == 77) {
    MESSAGE("skipped: this machine lets nobody make the surroundings " << surroundings);
    return std::nullopt;
  }
  CHECK(status == 0);
  return text;
}

bool has(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

} // namespace

TEST_CASE("root, others, containers and hosts under filters get all of each profile") {
  const leak_guard guard;
  const no_leak_check ptrace_is_not_for_all;
  for (const auto* surroundings :
       {"plain", "unprivileged", "container", "foreign_filter", "no_namespaces"})
    for (const auto* profile : {"standard", "strict"})
      for (const auto* how : {"-", "require"}) {
        const auto text = printed_by(surroundings, profile, how);
        if (!text)
          continue;
        INFO(surroundings << ' ' << profile << ' ' << how << '\n' << *text);
        CHECK(has(*text, "ran 42"));
        for (const auto* part : {"seccomp active", "landlock active", "landlock_signals active",
                                 "capabilities_dropped active", "environment_emptied active"})
          CHECK_MESSAGE(has(*text, part), part);
      }
}

TEST_CASE("without Landlock or seccomp a sandbox has less, says so, and refuses when it must not") {
  const leak_guard guard;
  const no_leak_check ptrace_is_not_for_all;
  struct lack {
    const char* surroundings;
    const char* missing;
    const char* left;
  };
  for (const auto& [surroundings, missing, left] :
       {lack{"no_landlock", "landlock", "seccomp active"},
        lack{"no_seccomp", "seccomp", "landlock active"}})
    for (const auto* profile : {"standard", "strict"}) {
      const auto less = printed_by(surroundings, profile).value_or("");
      INFO(surroundings << ' ' << profile << '\n' << less);
      CHECK(has(less, "ran 42"));
      CHECK(has(less, std::string{missing} + " inactive: "));
      CHECK(has(less, left));
      const auto all = printed_by(surroundings, profile, "require").value_or("");
      CHECK_MESSAGE(has(all, "refused: "), all);
      CHECK_MESSAGE(has(all, std::string{missing} + " is missing"), all);
    }
}

TEST_CASE("an audit runs wherever the host may trace its workers, and says so elsewhere") {
  const leak_guard guard;
  const no_leak_check ptrace_is_not_for_all;
  for (const auto* surroundings : {"plain", "unprivileged", "container", "no_landlock"})
    if (const auto text = printed_by(surroundings, "strict", "audit"))
      CHECK_MESSAGE(has(*text, "ran 42"), surroundings, '\n', *text);
  const auto blind = printed_by("no_tracing", "strict", "audit").value_or("");
  CHECK_MESSAGE(has(blind, "refused: "), blind);
  CHECK_MESSAGE(has(blind, "allowed to trace"), blind);
}
