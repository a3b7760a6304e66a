// ctest-label: fault
// ctest-timeout: 120
// What a task is tried again after, and when.
#include "runtime/dispatch/retry_rule.hpp"

#include "tests/support/leak_guard.hpp"
#include "tests/support/temporary_folder.hpp"

#include <bulkhead/tasks.hpp>

#include <doctest/doctest.h>

#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <stdexcept>
#include <string>
#include <vector>

using namespace bulkhead;
using namespace bulkhead::tests;
using namespace std::chrono_literals;

namespace {

enum class way : int { throws_logic, throws_runtime, aborts, exits, hangs };

[[noreturn]] void end_badly(way how) {
  switch (how) {
  case way::throws_logic:
    throw std::logic_error("no");
  case way::throws_runtime:
    throw std::runtime_error("not now");
  case way::aborts:
    std::abort();
  case way::exits:
    ::_exit(4);
  case way::hangs:
    for (;;)
      ::pause();
  }
  std::abort();
}

// Ends badly in its first two attempts, and leaves a line a time.
std::size_t third_time(const std::string& file, way how) {
  std::ofstream{file, std::ios::app} << "run\n";
  if (this_task::attempt() <= 2)
    end_badly(how);
  return this_task::attempt();
}

std::size_t runs_in(const std::filesystem::path& file) {
  std::ifstream in{file};
  std::size_t count = 0;
  for (std::string line; std::getline(in, line);)
    ++count;
  return count;
}

const retry_policy exceptions{.kinds = {failure_kind::task_exception}, .pause = 0ns};

struct attempt_case {
  const char* name;
  way how;
  retry_policy policy;
  std::size_t runs; ///< 3: it succeeds
};

const attempt_case cases[] = {
  {"an exception, by default", way::throws_logic, {}, 1},
  {"an exception", way::throws_logic, exceptions, 3},
  {"an exception of the type",
   way::throws_runtime,
   {.kinds = {failure_kind::task_exception}, .types = {"std::runtime_error"}},
   3},
  {"an exception of another type",
   way::throws_logic,
   {.kinds = {failure_kind::task_exception}, .types = {"std::runtime_error"}},
   1},
  {"a crash, by default", way::aborts, {}, 3},
  {"a crash, where exceptions alone are", way::aborts, exceptions, 1},
  {"a crash among causes", way::aborts, {.causes = {exit_cause::crashed}}, 3},
  {"an exit not among causes", way::exits, {.causes = {exit_cause::crashed}}, 1},
  {"a time limit, by default", way::hangs, {}, 3},
  {"a time limit, where deaths alone are", way::hangs, {.kinds = {failure_kind::worker_died}}, 1},
};

} // namespace

TEST_CASE("a task is tried again after what its policy names alone") {
  const leak_guard guard;
  const testing::temporary_folder folder;
  pool p{{.workers = 2, .poison_after = 0}};
  for (const auto& each : cases) {
    CAPTURE(std::string{each.name});
    const auto file = (folder.path() / "runs").string();
    const auto limit = each.how == way::hangs ? 50ms : 0ms;
    const auto before = p.stats();
    const auto ended = p.with({.timeout = limit, .retries = 3, .retry = each.policy})
                         .submit(third_time, file, each.how)
                         .outcome();
    CHECK(ended.has_value() == (each.runs == 3));
    if (ended.has_value())
      CHECK(ended.value() == 3);
    CHECK(runs_in(file) == each.runs);
    CHECK(p.stats().retried - before.retried == each.runs - 1);
    std::filesystem::remove(file);
  }
  const auto all = p.stats();
  CHECK(all.submitted == all.succeeded + all.failed);
}

TEST_CASE("attempts that are used up end with the last exception") {
  const leak_guard guard;
  pool p{{.workers = 1, .retries = 4, .retry = exceptions}};
  const auto f = p.submit([]() -> int {
                    throw std::runtime_error("attempt " + std::to_string(this_task::attempt()));
                  })
                   .outcome()
                   .failure();
  CHECK(f.kind == failure_kind::task_exception);
  CHECK(f.message.find("attempt 5") != std::string::npos);
  CHECK(f.may_have_executed);
  CHECK(p.stats().retried == 4);
}

TEST_CASE("items of a map are tried again one by one") {
  const leak_guard guard;
  const testing::temporary_folder folder;
  pool p{{.workers = 2, .retries = 2, .retry = exceptions}};
  std::vector<int> items(500);
  for (int i = 0; i < 500; ++i)
    items[static_cast<std::size_t>(i)] = i;
  const auto results = p.map(
    [](int x) {
      if (x % 50 == 7 && this_task::attempt() == 1)
        throw std::runtime_error("once");
      return 2 * x;
    },
    items, {.chunk = 100});
  for (int i = 0; i < 500; ++i)
    CHECK(results[static_cast<std::size_t>(i)] == 2 * i);
  CHECK(p.stats().retried == 10);
}

TEST_CASE("a task that waits for its next attempt is cancelled at once") {
  const leak_guard guard;
  pool p{{.workers = 1}};
  auto f =
    p.with({.retries = 1,
            .retry =
              retry_policy{.kinds = {failure_kind::task_exception}, .pause = 1h, .pause_max = 1h}})
      .submit([]() -> int { throw 1; });
  while (p.stats().retried == 0)
    std::this_thread::yield();
  CHECK(f.cancel());
  CHECK(f.outcome().failure().kind == failure_kind::cancelled);
  CHECK(f.outcome().failure().may_have_executed);
}

TEST_CASE("a pool without workers tries exceptions again, too") {
  pool p{{.start = start_method::eager, .retries = 2, .retry = exceptions}};
  int runs = 0;
  int* const at = &runs; // the caller's memory: the task runs here
  const auto address = reinterpret_cast<std::uintptr_t>(at);
  CHECK(p.apply([address] {
    auto& count = *reinterpret_cast<int*>(address);
    if (++count < 3)
      throw std::runtime_error("again");
    return count;
  }) == 3);
  CHECK(p.stats().retried == 2);
}

TEST_CASE("pauses double up to the longest") {
  const retry_policy policy{.pause = 10ms, .pause_max = 35ms};
  CHECK(runtime::pause_before(policy, 2) == 10ms);
  CHECK(runtime::pause_before(policy, 3) == 20ms);
  CHECK(runtime::pause_before(policy, 4) == 35ms);
  CHECK(runtime::pause_before(policy, UINT32_MAX) == 35ms);
  CHECK(runtime::pause_before({.pause = 0ns}, UINT32_MAX) == 0ns);
}

TEST_CASE("a retry policy without effect is refused, and the message says why") {
  pool p{{.workers = 1, .retries = 1}};
  const auto refused = [&](task_options options, const char* why) {
    CHECK_THROWS_WITH_AS(p.with(std::move(options)), doctest::Contains(why), config_error);
  };
  refused({.retries = 0, .retry = exceptions}, "retries is 0");
  refused({.retry = retry_policy{.kinds = {}}}, "retry.kinds is empty");
  refused({.retry = retry_policy{.kinds = {failure_kind::cancelled}}}, "cancelled; allowed");
  refused({.retry = retry_policy{.kinds = {failure_kind::timeout}, .causes = {exit_cause::killed}}},
          "lacks worker_died");
  refused({.retry = retry_policy{.types = {"x"}}}, "lacks task_exception");
  refused({.retry = retry_policy{.pause = 1s}}, "0 ns to retry.pause_max");
  refused({.retry = retry_policy{.pause = -1ns}}, "0 ns to retry.pause_max");
  refused({.retry = retry_policy{.pause_max = 48h}}, "at most 24 h");
  CHECK_THROWS_AS((pool{{.workers = 1, .retry = {.kinds = {}}}}), config_error);
}
