#pragma once

#include "tests/support/launching.hpp"

#include <doctest/doctest.h>

#include <spawn.h>
#include <sys/wait.h>

#include <csignal>
#include <string>
#include <vector>

namespace bulkhead::tests {

/// Runs a test program that is a host, tells the pids of its descendants and dies at the point;
/// returns ms from its end to the end of its last descendant.
inline double lose_host(const std::string& program, const std::string& point, int count) {
  pipe_ends news;
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, news.write.get(), STDOUT_FILENO);
  auto name = program;
  auto where = point;
  auto times = std::to_string(count);
  char* arguments[] = {name.data(), where.data(), times.data(), nullptr};
  pid_t host = 0;
  const auto path = BULKHEAD_TEST_PROGRAM_DIR "/" + program;
  REQUIRE(posix_spawn(&host, path.c_str(), &actions, nullptr, arguments, environ) == 0);
  posix_spawn_file_actions_destroy(&actions);
  const auto descendants = hear<pid_t>(news.read.get());
  CHECK(descendants >= 3); // forkserver and two workers
  std::vector<runtime::unique_fd> alive;
  for (pid_t n = 0; n < descendants; ++n)
    if (auto fd = runtime::open_pidfd(hear<pid_t>(news.read.get())); fd)
      alive.push_back(std::move(fd));
  int status = 0;
  REQUIRE(::waitpid(host, &status, 0) == host);
  const auto begin = std::chrono::steady_clock::now();
  CHECK_MESSAGE((WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL), "the host passed ", point);
  for (const auto& each : alive)
    CHECK(ends_in_time(each.get()));
  return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - begin)
    .count();
}

} // namespace bulkhead::tests
