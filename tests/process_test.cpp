// ctest-label: fault
#include <bulkhead/process.hpp>

#include "runtime/system/descriptors.hpp"
#include "tests/support/launching.hpp"
#include "tests/support/leak_guard.hpp"

#include <bulkhead/error.hpp>

#include <doctest/doctest.h>

#include <sys/prctl.h>

#include <csignal>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

using bulkhead::process;
using bulkhead::process_options;
using namespace bulkhead::tests;
using namespace std::chrono_literals;

namespace {

void pause_for_ever() {
  for (;;)
    ::pause();
}

void throw_error() { throw std::runtime_error{"no more"}; }

void throw_number() { throw 42; }

void check_sum(std::vector<int> values, const std::string& name) {
  int sum = 0;
  for (const int value : values)
    sum += value;
  ::_exit(sum == 6 && name == "six" ? 0 : 9);
}

int ended(process& child) {
  child.start();
  REQUIRE(child.join(patience));
  return child.exit_code().value();
}

} // namespace

TEST_CASE("a process runs its function with its arguments and ends with 0") {
  const leak_guard guard;
  process child{check_sum, std::vector{1, 2, 3}, "six"};
  CHECK(ended(child) == 0);
  process dropped{[](int x) { return x + 1; }, 1}; // a result is dropped
  CHECK(ended(dropped) == 0);
}

TEST_CASE("exit code is the code, or minus the signal") {
  const leak_guard guard;
  process by_code{[] { ::_exit(7); }};
  CHECK(ended(by_code) == 7);
  process by_signal{[] { std::raise(SIGSEGV); }};
  CHECK(ended(by_signal) == -SIGSEGV);
  process by_abort{[] { std::abort(); }};
  CHECK(ended(by_abort) == -SIGABRT);
}

TEST_CASE("an exception gives exit code 1, and its type and text on stderr") {
  const leak_guard guard;
  for (const auto entry : {throw_error, throw_number}) {
    process child{{.name = "thrower", .output = bulkhead::output_mode::capture}, entry};
    CHECK(ended(child) == 1);
    const auto text = child.last_output();
    const auto* expected = entry == throw_error ? "ended by std::runtime_error: no more"
                                                : "ended by int: an exception of type int";
    CHECK_MESSAGE(text.find(expected) != std::string::npos, text);
    CHECK(text.starts_with("bulkhead: process thrower (pid "));
  }
}

TEST_CASE("a process goes through its states") {
  const leak_guard guard;
  process child{pause_for_ever};
  CHECK_FALSE(child.is_alive());
  CHECK(child.pid() == 0);
  CHECK(child.sentinel() == -1);
  CHECK_FALSE(child.exit_code());
  CHECK_THROWS_AS(child.join(), bulkhead::config_error);
  CHECK_THROWS_AS(child.kill(), bulkhead::config_error);

  child.start();
  CHECK(child.is_alive());
  CHECK(child.pid() > 0);
  CHECK(child.sentinel() >= 0);
  CHECK_FALSE(child.exit_code());
  CHECK_FALSE(child.join(0s));
  CHECK_FALSE(child.join(1ms));
  CHECK_THROWS_AS(child.start(), bulkhead::config_error);
  CHECK_THROWS_AS(child.close(), bulkhead::config_error);

  child.terminate();
  child.join();
  CHECK(ends_in_time(child.sentinel()));
  CHECK_FALSE(child.is_alive());
  CHECK(child.exit_code() == -SIGTERM);
  child.kill(); // nothing is left to kill
  child.join();
  child.close();
  CHECK(child.sentinel() == -1);
  CHECK(child.exit_code() == -SIGTERM);
}

TEST_CASE("a signal that comes while the process is being set up is not lost") {
  const leak_guard guard;
  for (int i = 0; i < 200; ++i) {
    process child{pause_for_ever};
    child.start();
    child.terminate();
    REQUIRE(child.join(60s));
    REQUIRE(child.exit_code() == -SIGTERM);
  }
}

TEST_CASE("kill ends a process that ignores SIGTERM") {
  const leak_guard guard;
  process child{[] {
    std::signal(SIGTERM, SIG_IGN);
    pause_for_ever();
  }};
  child.start();
  child.kill();
  CHECK(child.join(patience));
  CHECK(child.exit_code() == -SIGKILL);
}

TEST_CASE("the destructor kills and reaps a process that still runs") {
  const leak_guard guard;
  bulkhead::runtime::unique_fd watched;
  {
    process child{pause_for_ever};
    child.start();
    watched = bulkhead::runtime::open_pidfd(child.pid());
    REQUIRE(watched);
  }
  CHECK(bulkhead::runtime::has_ended(watched.get()));
  process never_started{pause_for_ever};
  process nothing;
  CHECK_THROWS_AS(nothing.start(), bulkhead::config_error);
}

TEST_CASE("a process can be moved, and assignment ends the one that was there") {
  const leak_guard guard;
  process first{pause_for_ever};
  first.start();
  const auto pid = first.pid();
  process second{std::move(first)};
  CHECK(second.pid() == pid);
  CHECK(second.is_alive());
  process third{pause_for_ever};
  third.start();
  const auto watched = bulkhead::runtime::open_pidfd(third.pid());
  third = std::move(second);
  CHECK(third.pid() == pid);
  CHECK(ends_in_time(watched.get()));
}

TEST_CASE("one thread may kill a process that another one joins") {
  const leak_guard guard;
  process child{pause_for_ever};
  child.start();
  std::thread killer{[&] { child.kill(); }};
  child.join();
  killer.join();
  CHECK(child.exit_code() == -SIGKILL);
}

TEST_CASE("names are given or numbered, and shown by the system") {
  const leak_guard guard;
  process_options options;
  options.name = "a name";
  process named{options, [] {
                  std::string name(16, '\0');
                  ::prctl(PR_GET_NAME, name.data());
                  ::_exit(name.c_str() == std::string{"a name"} ? 0 : 1);
                }};
  CHECK(named.name() == "a name");
  CHECK(ended(named) == 0);
  const process numbered{[] {}};
  CHECK(numbered.name().starts_with("process-"));
}

TEST_CASE("options that cannot work are refused before anything starts") {
  const leak_guard guard;
  process_options options;
  options.nice = 77;
  process bad_nice{options, [] {}};
  CHECK_THROWS_AS(bad_nice.start(), bulkhead::config_error);
  options = {};
  options.start = bulkhead::start_method::thread;
  process bad_start{options, [] {}};
  CHECK_THROWS_AS(bad_start.start(), bulkhead::config_error);
}

TEST_CASE("a process may start a process") {
  const leak_guard guard;
  process outer{[] {
    process inner{[] { ::_exit(3); }};
    inner.start();
    inner.join();
    ::_exit(inner.exit_code().value_or(99));
  }};
  CHECK(ended(outer) == 3);
}
