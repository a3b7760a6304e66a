// ctest-label: fault
// ctest-timeout: 240
// ctest-serial
// An overloaded or suspended machine is nobody's fault: no healthy worker is killed.
#include "tests/support/launching.hpp"
#include "tests/support/leak_guard.hpp"

#include <bulkhead/tasks.hpp>

#include <doctest/doctest.h>

#include <spawn.h>
#include <sys/wait.h>

#include <atomic>
#include <csignal>
#include <thread>
#include <vector>

using namespace bulkhead;
using namespace bulkhead::tests;
using namespace std::chrono_literals;

TEST_CASE("64 threads that burn every core cost no worker its life") {
  const leak_guard guard;
  std::atomic<bool> burn{true};
  std::vector<std::thread> hogs;
  for (int i = 0; i < 64; ++i)
    hogs.emplace_back([&] {
      while (burn.load(std::memory_order_relaxed)) {
      }
    });
  {
    pool p{{.workers = 2, .unresponsive_after = 2s}};
    std::vector<future<int>> all;
    for (int i = 0; i < 60; ++i)
      all.push_back(p.submit(
        [](int x) {
          const auto end = std::chrono::steady_clock::now() + 100ms;
          while (std::chrono::steady_clock::now() < end) {
          }
          return x;
        },
        i));
    for (int i = 0; i < 60; ++i)
      CHECK(all[static_cast<std::size_t>(i)].get() == i);
    CHECK(p.stats().restarts == 0);
  }
  burn = false;
  for (auto& t : hogs)
    t.join();
}

namespace {

/// Waits so long, or until somebody writes, which nobody does.
void let_pass(std::chrono::milliseconds time) {
  const pipe_ends nobody;
  pollfd look{nobody.read.get(), POLLIN, 0};
  CHECK(::poll(&look, 1, static_cast<int>(time.count())) == 0);
}

/// A host with a pool, its process group suspended three times; returns what it lost.
int suspend_host(bool with_workers) {
  pipe_ends news;
  pipe_ends orders;
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, news.write.get(), STDOUT_FILENO);
  posix_spawn_file_actions_adddup2(&actions, orders.read.get(), STDIN_FILENO);
  char name[] = "patient_host";
  char* arguments[] = {name, nullptr};
  pid_t host = 0;
  REQUIRE(posix_spawn(&host, BULKHEAD_TEST_PROGRAM_DIR "/patient_host", &actions, nullptr,
                      arguments, environ)
          == 0);
  posix_spawn_file_actions_destroy(&actions);
  CHECK(hear<char>(news.read.get()) == '1');
  std::vector<pid_t> all{host};
  if (with_workers) {
    const auto base =
      "/proc/" + std::to_string(host) + "/task/" + std::to_string(host) + "/children";
    if (auto* file = std::fopen(base.c_str(), "r"); file != nullptr) {
      for (int pid = 0; std::fscanf(file, "%d", &pid) == 1;) {
        all.push_back(pid);
        const auto deeper =
          "/proc/" + std::to_string(pid) + "/task/" + std::to_string(pid) + "/children";
        if (auto* inner = std::fopen(deeper.c_str(), "r"); inner != nullptr) {
          for (int grandchild = 0; std::fscanf(inner, "%d", &grandchild) == 1;)
            all.push_back(grandchild);
          std::fclose(inner);
        }
      }
      std::fclose(file);
    }
    CHECK(all.size() >= 4);
  }
  for (int round = 0; round < 3; ++round) {
    for (const auto pid : all)
      ::kill(pid, SIGSTOP);
    let_pass(1500ms);                                     // five times the pool's patience
    for (auto pid = all.begin(); pid != all.end(); ++pid) // the host first: the hardest order
      ::kill(*pid, SIGCONT);
    let_pass(100ms);
  }
  tell(orders.write.get(), '2');
  int status = 0;
  REQUIRE(::waitpid(host, &status, 0) == host);
  REQUIRE(WIFEXITED(status));
  return WEXITSTATUS(status);
}

} // namespace

TEST_CASE("a host that is suspended blames nobody when it goes on") {
  const leak_guard guard;
  CHECK(suspend_host(false) == 0);
}

TEST_CASE("a machine that is suspended with all its processes loses none") {
  const leak_guard guard;
  CHECK(suspend_host(true) == 0);
}
