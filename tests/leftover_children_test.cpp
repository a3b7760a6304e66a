// ctest-timeout: 120
// ctest-label: fault
#include "runtime/process/leftover_children.hpp"
#include "tests/support/eventually.hpp"
#include "tests/support/leak_guard.hpp"

#include <bulkhead/tasks.hpp>

#include <doctest/doctest.h>
#include <rapidcheck.h>

#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <map>
#include <vector>

using namespace bulkhead;
using namespace bulkhead::tests;
using namespace std::chrono_literals;
using runtime::leftover_children;
using runtime::work_sign;

TEST_CASE("a child that was first seen dead in the running task is never reaped for it") {
  CHECK(rc::check("over random histories of tasks, looks and deaths", [] {
    leftover_children rule;
    work_sign now;
    std::map<pid_t, std::uint64_t> died_in; // the task that ran then; even: none
    std::uint64_t phase = 0;                // odd: the running task's number
    pid_t next = 1;
    const auto steps = *rc::gen::container<std::vector<int>>(rc::gen::inRange(0, 3));
    for (const int step : steps) {
      if (step == 0) { // a task begins or ends
        ++phase;
        now.answered += phase % 2 == 0 ? 8 : 0;
        ++now.sleep;
      } else if (step == 1) {
        died_in[next++] = phase;
      } else {
        // Odd while none runs.
        const work_sign sign{now.answered, now.sleep + 1};
        std::vector<pid_t> dead;
        for (const auto& [pid, when] : died_in)
          dead.push_back(pid);
        for (const auto pid : rule.due(dead, sign, sign)) {
          RC_ASSERT(phase % 2 == 0 || died_in.at(pid) != phase);
          died_in.erase(pid);
        }
      }
    }
  }));
}

TEST_CASE("all that have ended are due where no task runs, and where their task has ended") {
  leftover_children rule;
  const std::vector<pid_t> dead{7, 8};
  CHECK(rule.due(dead, {.answered = 5, .sleep = 3}, {.answered = 5, .sleep = 3}) == dead);
  CHECK(rule.due(dead, {.answered = 5, .sleep = 4}, {.answered = 5, .sleep = 4}).empty());
  CHECK(rule.due(dead, {.answered = 6, .sleep = 4}, {.answered = 6, .sleep = 4}) == dead);
  // A task began or ended in between: nothing is known of that moment.
  CHECK(rule.due(dead, {.answered = 7, .sleep = 5}, {.answered = 7, .sleep = 6}).empty());
}

namespace {

// Children of this process that have ended and are there still.
std::size_t dead_children() { return runtime::ended_children().size(); }

} // namespace

TEST_CASE("what tasks leave in the background leaves no zombie behind") {
  const leak_guard guard;
  pool p{{.workers = 1}};
  for (int round = 0; round < 20; ++round)
    p.apply([] { return std::system("true &"); });
  CHECK(eventually([&] { return p.apply(dead_children) == 0; }));
}

TEST_CASE("a task that waits for its own child gets it, however long the child was dead") {
  const leak_guard guard;
  pool p{{.workers = 1, .unresponsive_after = 50ms}}; // the watch thread looks often
  const auto waited = p.apply([] {
    const auto pid = ::fork();
    if (pid == 0)
      ::_exit(9);
    siginfo_t ended{};
    ::waitid(P_PID, static_cast<id_t>(pid), &ended, WEXITED | WNOWAIT);
    for (int look = 0; look < 20; ++look)
      ::usleep(10'000); // turns of the watch thread, which has nothing to wait for
    int status = 0;
    return ::waitpid(pid, &status, 0) == pid ? WEXITSTATUS(status) : -1;
  });
  CHECK(waited == 9);
}
