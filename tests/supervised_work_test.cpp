// ctest-timeout: 120
// ctest-label: fault
#include "tests/support/eventually.hpp"
#include "tests/support/host_system.hpp"
#include "tests/support/leak_guard.hpp"
#include "tests/support/temporary_folder.hpp"

#include <bulkhead/actor_error.hpp>
#include <bulkhead/supervised_work.hpp>
#include <bulkhead/task.hpp>
#include <bulkhead/worker.hpp>

#include <caf/actor_system.hpp>
#include <caf/event_based_actor.hpp>
#include <caf/scoped_actor.hpp>
#include <doctest/doctest.h>

#include <signal.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <string>
#include <thread>

namespace {

using namespace std::chrono_literals;
using namespace bulkhead;
using bulkhead::testing::temporary_folder;
using bulkhead::tests::ask;
using bulkhead::tests::eventually;
using bulkhead::tests::host_system;
using bulkhead::tests::leak_guard;

BULKHEAD_TASK("supervised.twice", [](int x) { return 2 * x; })
BULKHEAD_TASK("supervised.pid", [](int) { return static_cast<int>(::getpid()); })

/// In one step: whoever reads finds a whole number.
void write_own_pid(const std::string& file) {
  std::ofstream{file + ".new"} << ::getpid();
  std::filesystem::rename(file + ".new", file);
}

/// Goes on until it is asked to stop.
int service(const std::string& file) {
  write_own_pid(file);
  while (!this_worker::stop_requested())
    std::this_thread::sleep_for(1ms);
  return 0;
}

int deaf(const std::string& file) {
  write_own_pid(file);
  for (;;)
    ::pause();
}

int quick(const std::string& file) {
  std::ofstream{file, std::ios::app} << "x";
  return 7;
}

/// 0 where nothing is there.
pid_t pid_in(const std::string& file) {
  pid_t pid = 0;
  std::ifstream{file} >> pid;
  return pid;
}

pool_options one_worker() {
  pool_options o;
  o.workers = 1;
  o.actor_workers = 1;
  return o;
}

child_info first_of(const supervisor& s) {
  const auto all = s.which_children();
  return all.empty() ? child_info{} : all.front();
}

} // namespace

TEST_CASE("a process is supervised like an actor: it is started again when it dies") {
  leak_guard guard;
  host_system host;
  pool workers{*host.system, one_worker()};
  const temporary_folder folder;
  const auto file = (folder.path() / "pid").string();
  supervisor s{workers, {.max_restarts = 10}, {{"service", process_child({}, service, file)}}};
  REQUIRE(eventually([&] { return pid_in(file) != 0; }));
  const auto first = pid_in(file);
  ::kill(first, SIGKILL);
  REQUIRE(eventually([&] { return pid_in(file) != first; }));
  CHECK(eventually([&] { return first_of(s).incarnations == 2; }));
  const auto second = pid_in(file);
  s.stop(); // it is asked, and returns
  CHECK(::kill(second, 0) != 0);
}

TEST_CASE("a process that does not hear is killed at its deadline; one that returned stays ended") {
  leak_guard guard;
  host_system host;
  pool workers{*host.system, one_worker()};
  const temporary_folder folder;
  const auto file = (folder.path() / "pid").string();
  const auto marks = (folder.path() / "marks").string();
  child_spec done{"done", process_child({}, quick, marks), restart_type::transient};
  child_spec stuck{"stuck", process_child({}, deaf, file)};
  stuck.shutdown = 50ms;
  supervisor s{workers, {}, {done, stuck}};
  REQUIRE(eventually([&] { return pid_in(file) != 0; }));
  CHECK(eventually([&] { return first_of(s).status == child_status::undefined; }));
  CHECK(first_of(s).incarnations == 1);
  CHECK(std::filesystem::file_size(marks) == 1);
  s.terminate_child("stuck");
  CHECK(::kill(pid_in(file), 0) != 0);
}

TEST_CASE("monitors of a supervised process hear how it ended") {
  leak_guard guard;
  host_system host;
  pool workers{*host.system, one_worker()};
  caf::scoped_actor self{*host.system};
  const temporary_folder folder;
  const auto file = (folder.path() / "pid").string();
  supervisor s{workers, {.max_restarts = 10}, {{"service", process_child({}, service, file)}}};
  REQUIRE(eventually([&] { return pid_in(file) != 0; }));
  self->monitor(first_of(s).incarnation);
  ::kill(pid_in(file), SIGKILL);
  caf::error reason;
  self->receive([&](const caf::down_msg& d) { reason = d.reason; },
                caf::after(20s) >> [] { FAIL_CHECK("no down message"); });
  const auto status = exit_status_of(reason);
  REQUIRE(status);
  CHECK(status->signal == SIGKILL);
}

TEST_CASE(
  "a pool of tasks is a child: its handle takes tasks, and it is made anew when it breaks") {
  leak_guard guard;
  host_system host;
  pool workers{*host.system, one_worker()};
  caf::scoped_actor self{*host.system};
  pool_options fragile;
  fragile.workers = 1;
  fragile.restart.max_restarts = 0;
  supervisor s{workers, {.max_restarts = 10}, {{"tasks", pool_child(fragile)}}};
  const auto tasks = s.child("tasks");
  CHECK(ask<int>(self, tasks, std::string{"supervised.twice"}, 21) == 42);
  const auto pid = ask<int>(self, tasks, std::string{"supervised.pid"}, 0);
  ::kill(pid, SIGKILL); // one death more than this pool stands
  REQUIRE(eventually([&] { return first_of(s).incarnations == 2; }));
  CHECK(ask<int>(self, tasks, std::string{"supervised.twice"}, 4) == 8);
  s.terminate_child("tasks");
  CHECK(first_of(s).status == child_status::undefined);
}

TEST_CASE("processes and pools that are children end with the system, however it ends") {
  leak_guard guard;
  const temporary_folder folder;
  const auto file = (folder.path() / "pid").string();
  host_system host;
  {
    pool workers{*host.system, one_worker()};
    supervisor s{
      workers,
      {},
      {{"service", process_child({}, service, file)}, {"tasks", pool_child({.workers = 1})}}};
    REQUIRE(eventually([&] { return pid_in(file) != 0; }));
    workers.terminate(); // before its supervisor
  }
  host.system.reset();
  CHECK(eventually([&] { return ::kill(pid_in(file), 0) != 0; }));
}
