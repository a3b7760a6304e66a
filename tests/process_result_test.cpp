// ctest-timeout: 120
// ctest-label: fault
// What comes back from a bulkhead::process, and what processes know of each other.
#include "tests/support/eventually.hpp"
#include "tests/support/launching.hpp"
#include "tests/support/leak_guard.hpp"

#include <bulkhead/tasks.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

using namespace bulkhead;
using namespace bulkhead::tests;
using namespace std::chrono_literals;

namespace {

int doubled(int x) { return 2 * x; }

int throws_late(int) { throw std::out_of_range{"seven is too many"}; }

[[gnu::noinline]] void crash_here() {
  volatile int* volatile nowhere = nullptr;
  *nowhere = 1;
}

void until_asked() {
  std::puts("runs");
  while (!this_worker::stop_requested())
    std::this_thread::sleep_for(1ms);
}

} // namespace

TEST_CASE("get gives what the function returned, again and again") {
  const leak_guard guard;
  process child{doubled, 21};
  child.start();
  CHECK(child.get<int>() == 42);
  CHECK(child.get<int>() == 42);
  CHECK(child.outcome<int>().value() == 42);
  CHECK(!child.failure());
  CHECK(child.status() == exit_status{0, 0, exit_cause::exited});
  child.get<void>();
  CHECK_THROWS_AS(child.get<long>(), config_error);
  child.close();
  CHECK(child.get<int>() == 42);
}

TEST_CASE("a large result comes back whole") {
  const leak_guard guard;
  process child{[] { return std::string(20 << 20, 'r'); }};
  child.start();
  CHECK(child.get<std::string>() == std::string(20 << 20, 'r'));
}

TEST_CASE("an exception comes back with type and text") {
  const leak_guard guard;
  process child{{.output = output_mode::null}, throws_late, 1};
  child.start();
  CHECK_THROWS_AS(child.get<int>(), task_error);
  const auto why = child.outcome<int>().failure();
  CHECK(why.type == "std::out_of_range");
  CHECK(why.message == "seven is too many");
  CHECK(why.worker == child.pid());
  CHECK(why.exit == exit_status{1, 0, exit_cause::exited});
}

TEST_CASE("a crash comes back with its cause, its backtrace and the last output") {
  const leak_guard guard;
  process child{{.name = "crasher", .output = output_mode::capture}, [] {
                  std::puts("last words");
                  crash_here();
                }};
  child.start();
  CHECK_THROWS_AS(child.get<void>(), worker_died);
  const auto why = child.failure().value();
  CHECK(why.exit == exit_status{0, SIGSEGV, exit_cause::crashed});
  CHECK(why.message.find("process crasher was killed by SIGSEGV") != std::string::npos);
  CHECK(why.backtrace.find("crash_here") != std::string::npos);
  CHECK(why.last_output.find("last words") != std::string::npos);
  CHECK(child.last_output().find("last words") != std::string::npos);
}

TEST_CASE("a process that ends before its function returned has no result") {
  const leak_guard guard;
  process child{[]() -> int { std::exit(7); }};
  child.start();
  CHECK_THROWS_AS(child.get<int>(), worker_died);
  CHECK(child.failure().value().exit == exit_status{7, 0, exit_cause::exited});
  process nothing{[] { std::exit(0); }};
  nothing.start();
  nothing.get<void>();
  process killed{[] { ::pause(); }};
  killed.start();
  killed.kill();
  CHECK(killed.failure().value().exit == exit_status{0, SIGKILL, exit_cause::killed});
}

TEST_CASE("a result that may not be written is told as such") {
  const leak_guard guard;
  process child{{.output = output_mode::null, .limits = {.file_size = 100'000}},
                [] { return std::string(200'000, 'r'); }};
  child.start();
  CHECK_THROWS_AS(child.get<std::string>(), too_large);
}

TEST_CASE("interrupt asks the function to end, also by its stop token") {
  const leak_guard guard;
  process child{until_asked};
  child.start();
  CHECK(!child.join(0ms));
  child.interrupt();
  child.get<void>();
  process by_token{[] {
    const auto token = this_worker::stop_token();
    while (!token.stop_requested())
      std::this_thread::sleep_for(1ms);
  }};
  by_token.start();
  by_token.interrupt();
  by_token.get<void>();
  CHECK(!this_worker::stop_token().stop_possible()); // in no process of its own
}

TEST_CASE("a process that is no daemon is waited for by its destructor") {
  const leak_guard guard;
  pipe_ends told;
  pid_t pid = 0;
  {
    process child{{.daemon = false}, until_asked};
    child.start();
    pid = child.pid();
    child.interrupt();
  }
  CHECK(::kill(pid, 0) != 0);
  int code = 0;
  {
    process outer{[] {
      process inner{{.daemon = false}, doubled, 1};
      inner.start();
    }};
    outer.start();
    outer.join();
    code = outer.exit_code().value();
  }
  CHECK(code == 0);
}

TEST_CASE("a process may be waited for longer than any clock counts") {
  const leak_guard guard;
  process child{[] {}};
  child.start();
  CHECK(child.join(std::chrono::hours::max()));
  CHECK(child.join(std::chrono::duration<double>::max()));
}

TEST_CASE("this_worker answers in a process as in a worker") {
  const leak_guard guard;
  const auto about = [] {
    return std::string{this_worker::active() ? "active " : "none "}
           + std::string{this_worker::pool_name()} + (this_worker::id() > 0 ? " numbered" : " 0")
           + (this_worker::stop_requested() ? " asked" : "");
  };
  for (const auto how : {start_method::forkserver, start_method::spawn}) {
    process child{{.name = "bee", .start = how}, about};
    child.start();
    CHECK(child.get<std::string>() == "active bee numbered");
  }
  process unnamed{
    [] { return "process-" + std::to_string(this_worker::id()) == this_worker::pool_name(); }};
  unnamed.start();
  CHECK(unnamed.get<bool>());
  // A pool of its own has workers of its own.
  process outer{[] { return pool({.workers = 1, .name = "inner"}).apply(this_worker::id); }};
  outer.start();
  CHECK(outer.get<std::size_t>() == 1);
  CHECK_FALSE(this_worker::active());
}

TEST_CASE("each process knows its name, and its parent") {
  const leak_guard guard;
  CHECK(current_process() == process_info{"main", ::getpid()});
  CHECK(!parent_process());
  const auto family = [] {
    const auto mother = parent_process();
    if (!mother || !mother->is_alive() || mother->join(0ms) || mother->sentinel() < 0)
      return std::string{"no parent"};
    return current_process().name + " of " + mother->name() + " " + std::to_string(mother->pid());
  };
  const auto of_me = " of main " + std::to_string(::getpid());
  process child{{.name = "worker bee"}, family};
  child.start();
  CHECK(child.get<std::string>() == "worker bee" + of_me);
  pool p{{.workers = 1, .name = "hive"}};
  CHECK(p.apply(family) == "hive/" + std::to_string(p.apply(this_worker::id)) + of_me);
  process executed{{.name = "spawned", .start = start_method::spawn}, family};
  executed.start();
  CHECK(executed.get<std::string>() == "spawned" + of_me);
  process outer{{.name = "outer"}, [] {
                  process inner{[] { return parent_process().value().name(); }};
                  inner.start();
                  return inner.get<std::string>();
                }};
  outer.start();
  CHECK(outer.get<std::string>() == "outer");
}

TEST_CASE("the children that live are listed, each with its name") {
  const leak_guard guard;
  CHECK(active_children().empty());
  process child{{.name = "listed"}, until_asked};
  child.start();
  {
    pool p{{.workers = 2, .name = "few"}};
    p.apply([] {});
    const auto all = active_children();
    CHECK(std::ranges::count(all, process_info{"listed", child.pid()}) == 1);
    CHECK(std::ranges::count_if(all, [](auto& each) { return each.name.starts_with("few/"); })
          >= 1);
  }
  child.interrupt();
  child.join();
  CHECK(active_children().empty());
}
