// ctest-label: tsan
#include "runtime/code/fork_gate.hpp"
#include "tests/support/leak_guard.hpp"

#include <doctest/doctest.h>

#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <mutex>
#include <thread>
#include <vector>

using bulkhead::runtime::fork_gate;

namespace {

// What the gate is for: a lock that lives as long as the process.
std::mutex table; // NOLINT(cppcoreguidelines-avoid-non-const-global-variables)

} // namespace

TEST_CASE("while the gate is closed no other thread has a pass") {
  std::atomic<bool> done{false};
  std::atomic<int> inside{0};
  std::atomic<int> entered{0};
  std::vector<std::thread> threads;
  for (int n = 0; n < 3; ++n)
    threads.emplace_back([&] {
      while (!done) {
        const fork_gate::pass outer;
        const fork_gate::pass again; // by the same thread
        ++inside;
        ++entered;
        --inside;
      }
    });
  int seen = 0;
  for (int n = 0; n < 200; ++n) {
    const auto before = entered.load();
    while (entered == before)
      std::this_thread::yield();
    const fork_gate::closed gate;
    REQUIRE(gate.alone());
    seen += inside;
  }
  done = true;
  for (auto& thread : threads)
    thread.join();
  CHECK(seen == 0);
}

TEST_CASE("whoever shuts the gate for a thread that waits for it is told, and the gate opens") {
  std::atomic<bool> taken{false};
  std::atomic<bool> may_end{false};
  std::thread other{[&] {
    const fork_gate::pass own;
    taken = true;
    while (!may_end)
      std::this_thread::yield();
  }};
  while (!taken)
    std::this_thread::yield();
  {
    const fork_gate::closed gate;
    CHECK_FALSE(gate.alone());
  }
  may_end = true;
  other.join();
  const fork_gate::closed gate;
  CHECK(gate.alone());
}

#ifndef __SANITIZE_THREAD__ // which forbids what a copy of a process with threads may do
TEST_CASE("a copy that is made while the gate is closed finds all locks free, and its own gate") {
  const bulkhead::tests::leak_guard guard;
  std::atomic<bool> done{false};
  std::thread busy{[&] {
    while (!done) {
      const fork_gate::pass own;
      const std::lock_guard lock{table};
    }
  }};
  int good = 0;
  for (int n = 0; n < 100; ++n) {
    pid_t copy = 0;
    {
      const fork_gate::closed gate;
      copy = ::fork();
    }
    if (copy == 0) {
      const bool is_free = table.try_lock();
      const fork_gate::closed its_own;
      ::_exit(is_free && its_own.alone() ? 0 : 1);
    }
    int status = 0;
    ::waitpid(copy, &status, 0);
    good += status == 0;
  }
  done = true;
  busy.join();
  CHECK(good == 100);
}
#endif
