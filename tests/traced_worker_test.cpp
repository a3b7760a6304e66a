// ctest-timeout: 120
// ctest-label: fault
#include "tests/support/eventually.hpp"
#include "tests/support/leak_guard.hpp"
#include "tests/support/temporary_folder.hpp"

#include <bulkhead/tasks.hpp>

#include <doctest/doctest.h>

#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <thread>
#include <vector>

using namespace bulkhead;
using namespace bulkhead::tests;
using namespace std::chrono_literals;

namespace {

/// Stops all threads of a process as a debugger does, until it goes. In one thread.
class debugger {
public:
  explicit debugger(pid_t pid) {
    for (const auto& task :
         std::filesystem::directory_iterator{"/proc/" + std::to_string(pid) + "/task"})
      hold(std::stoi(task.path().filename().string()));
  }
  ~debugger() {
    for (const auto thread : held_)
      ::ptrace(PTRACE_DETACH, thread, 0, 0);
  }
  debugger(const debugger&) = delete;
  debugger& operator=(const debugger&) = delete;

  bool holds_any() const { return !held_.empty(); }

private:
  void hold(pid_t thread) {
    if (::ptrace(PTRACE_SEIZE, thread, 0, 0) != 0)
      return;
    ::ptrace(PTRACE_INTERRUPT, thread, 0, 0);
    ::waitpid(thread, nullptr, __WALL);
    held_.push_back(thread);
  }

  std::vector<pid_t> held_;
};

std::string sign_of(const std::string& file, pid_t pid) { return file + std::to_string(pid); }

int named(int x) { return x; }
int other(int x) { return x + 1; }

void name_it() { ::setenv("BULKHEAD_WAIT_FOR_DEBUGGER", "named", 1); }

pid_t until_there(const std::string& file) {
  std::ofstream{sign_of(file, ::getpid())};
  while (!std::filesystem::exists(file))
    std::this_thread::sleep_for(1ms);
  return ::getpid();
}

} // namespace

// Beside a worker that stands still without a debugger and is ended for it.
TEST_CASE("a worker that a debugger holds is not judged unresponsive") {
  const leak_guard guard;
  const testing::temporary_folder folder;
  const auto file = (folder.path() / "go on").string();
  pool held{{.workers = 1, .unresponsive_after = 2s}};
  pool stopped{{.workers = 1, .unresponsive_after = 2s}};
  const auto held_pid = held.apply(::getpid);
  const auto stopped_pid = stopped.apply(::getpid);
  auto lives = held.submit(until_there, file);
  auto dies = stopped.submit(until_there, file);
  // Who stands still before it begins is ended too, and its task moves on.
  REQUIRE(eventually([&] {
    return std::filesystem::exists(sign_of(file, held_pid))
           && std::filesystem::exists(sign_of(file, stopped_pid));
  }));
  bool tracing = false;
  {
    const debugger attached{held_pid};
    tracing = attached.holds_any();
    ::kill(stopped_pid, SIGSTOP);
    // Judged in the same time.
    CHECK(eventually([&] { return dies.ready(); }, 60s));
    CHECK((!tracing || !lives.ready()));
    folder.write("go on", "");
  }
  CHECK_THROWS_AS(dies.get(), worker_died);
  CHECK(dies.outcome().failure().exit.cause == exit_cause::unresponsive);
  CHECK(lives.get() == held_pid);
  if (!tracing)
    MESSAGE("this machine allows no tracing");
}

TEST_CASE("a task whose name is given waits for a debugger, others do not") {
  const leak_guard guard;
  pool workers{{.workers = 1, .initializer = name_it, .output = output_mode::capture}};
  CHECK(workers.apply(other, 1) == 2);
  auto waits = workers.submit(named, 3);
  const auto worker = workers.workers().front();
  const auto hint = "task 'named' waits for a debugger: gdb -p " + std::to_string(worker.pid);
  CHECK(eventually([&] { return workers.last_output(worker.id).find(hint) != std::string::npos; }));
  CHECK_FALSE(waits.ready());
  if (::ptrace(PTRACE_SEIZE, worker.pid, 0, 0) != 0) {
    MESSAGE("this machine allows no tracing");
    return;
  }
  CHECK(waits.get() == 3);
  CHECK(workers.apply(named, 4) == 4); // still attached
  ::ptrace(PTRACE_INTERRUPT, worker.pid, 0, 0);
  ::waitpid(worker.pid, nullptr, __WALL);
  ::ptrace(PTRACE_DETACH, worker.pid, 0, 0);
}
