// ctest-timeout: 180
// ctest-label: fault
// Tasks with hedge_after: two runs, one outcome.
#include "tests/support/eventually.hpp"
#include "tests/support/leak_guard.hpp"

#include <bulkhead/tasks.hpp>

#include <doctest/doctest.h>

#include <unistd.h>

#include <chrono>
#include <csignal>
#include <numeric>
#include <stdexcept>
#include <thread>
#include <vector>

using namespace bulkhead;
using namespace bulkhead::tests;
using namespace std::chrono_literals;

namespace {

constexpr auto long_enough = 60s; // a watchdog, not a measure
constexpr auto soon = 5ms;

using counter = shared_value<int>;

[[noreturn]] void hang() {
  for (;;)
    ::pause();
}

int until_asked_to_end(counter runs) {
  if (runs.fetch_add(1) != 0)
    return 42;
  while (!this_worker::stop_requested())
    std::this_thread::sleep_for(1ms);
  return -1;
}

int hang_in_first(counter runs) {
  if (runs.fetch_add(1) == 0)
    hang();
  return 42;
}

int throw_in_second(counter runs) {
  if (runs.fetch_add(1) == 0)
    hang();
  throw std::runtime_error("the second one");
}

/// The first run dies once the second one is there, which waits for `told`.
int die_in_first(counter runs, event second, event told) {
  if (runs.fetch_add(1) != 0) {
    second.set();
    told.wait();
    return 42;
  }
  second.wait();
  ::kill(::getpid(), SIGKILL);
  return -1;
}

int die_in_both(counter runs, event second) {
  if (runs.fetch_add(1) != 0)
    second.set();
  else
    second.wait();
  ::kill(::getpid(), SIGKILL);
  return -1;
}

/// Every task has its outcome, and is counted in one place.
void check_rest(pool& p) {
  p.shutdown();
  const auto s = p.stats();
  CHECK(s.submitted == s.succeeded + s.failed + s.cancelled);
  CHECK(s.queued + s.in_flight == 0);
}

} // namespace

TEST_CASE("a task that takes long is run a second time by an idle worker, and counts once") {
  const leak_guard guard;
  pool p{{.workers = 2}};
  counter runs(0);
  auto f = p.with({.hedge_after = soon}).submit(until_asked_to_end, runs);
  CHECK(f.get(long_enough) == 42);
  CHECK(p.stats().hedged == 1);
  check_rest(p);
  CHECK(runs.load() == 2);
  CHECK(p.stats().submitted == 2);
  CHECK(p.stats().restarts == 0); // the loser heard that it was to end
}

TEST_CASE("a loser that does not listen is killed") {
  const leak_guard guard;
  pool p{{.workers = 2, .grace = 20ms}};
  counter runs(0);
  CHECK(p.with({.hedge_after = soon}).submit(hang_in_first, runs).get(long_enough) == 42);
  CHECK(eventually([&] { return p.stats().cancelled == 1; }));
  CHECK(eventually([&] { return p.stats().restarts == 1; }));
  CHECK(p.apply([] { return 1; }) == 1);
  check_rest(p);
}

TEST_CASE("an exception of either run is an outcome") {
  const leak_guard guard;
  pool p{{.workers = 2, .grace = 20ms}};
  counter runs(0);
  auto f = p.with({.hedge_after = soon}).submit(throw_in_second, runs);
  CHECK_THROWS_WITH_AS(f.get(long_enough), doctest::Contains("the second one"), task_error);
  check_rest(p);
}

TEST_CASE("the death of one run is no outcome while the other goes on") {
  const leak_guard guard;
  pool p{{.workers = 2}};
  counter runs(0);
  event second, told;
  auto f = p.with({.hedge_after = soon}).submit(die_in_first, runs, second, told);
  REQUIRE(eventually([&] { return p.stats().failed == 1; })); // of the run that died
  CHECK(!f.ready());
  told.set();
  CHECK(f.get(long_enough) == 42);
  check_rest(p);
}

TEST_CASE("where both runs die, the task has died once") {
  const leak_guard guard;
  pool p{{.workers = 2}};
  counter runs(0);
  event second;
  int told = 0;
  auto f = p.with({.hedge_after = soon}).submit(die_in_both, runs, second);
  f.on_ready([&](const outcome<int>&) { ++told; });
  CHECK_THROWS_AS(f.get(long_enough), worker_died);
  check_rest(p);
  p.terminate(); // callbacks have run
  CHECK(told == 1);
}

TEST_CASE("nobody idle, no second run") {
  const leak_guard guard;
  pool p{{.workers = 1}};
  counter runs(0);
  event gate;
  const auto count = [](counter c, event e) {
    c.fetch_add(1);
    e.wait();
  };
  auto f = p.with({.hedge_after = 1ns}).submit(count, runs, gate);
  REQUIRE(eventually([&] { return runs.load() == 1; }));
  gate.set();
  f.get(long_enough);
  check_rest(p);
  CHECK(p.stats().hedged == 0);
  CHECK(runs.load() == 1);
}

TEST_CASE("cancel ends both runs") {
  const leak_guard guard;
  pool p{{.workers = 2, .grace = 20ms}};
  counter runs(0);
  const auto count = [](counter c) {
    c.fetch_add(1);
    hang();
  };
  auto f = p.with({.hedge_after = soon}).submit(count, runs);
  REQUIRE(eventually([&] { return runs.load() == 2; }));
  f.cancel(true);
  CHECK_THROWS_AS(f.get(long_enough), cancelled_error);
  CHECK(eventually([&] { return p.stats().cancelled == 2; }));
  check_rest(p);
}

TEST_CASE("items of a map are hedged one by one, and each has one value") {
  const leak_guard guard;
  pool p{{.workers = 3, .grace = 20ms}};
  counter runs(0);
  std::vector<int> items(60);
  std::iota(items.begin(), items.end(), 0);
  std::vector<std::pair<int, counter>> input;
  for (const int i : items)
    input.emplace_back(i, runs);
  const auto hang_once = [](int i, counter c) {
    if (i == 7 && c.fetch_add(1) == 0)
      hang();
    return i;
  };
  CHECK(p.with({.hedge_after = soon}).starmap(hang_once, input) == items);
  CHECK(p.stats().hedged >= 1);
  check_rest(p);
}

TEST_CASE("many runs that end at the same time leave each task one outcome") {
  const leak_guard guard;
  pool p{{.workers = 4, .grace = 20ms}};
  const auto dawdle = [](int i) {
    std::this_thread::sleep_for(std::chrono::microseconds{(i * 7919) % 3000});
    return i;
  };
  auto hedged = p.with({.hedge_after = 1ms});
  int told = 0;
  std::vector<future<int>> all;
  for (int i = 0; i < 300; ++i) {
    all.push_back(hedged.submit(dawdle, i));
    all.back().on_ready([&](const outcome<int>&) { ++told; });
    if (i % 10 == 0)
      all.back().get(long_enough);
  }
  REQUIRE(wait_all(all, long_enough));
  for (int i = 0; i < 300; ++i)
    CHECK(all[static_cast<std::size_t>(i)].get() == i);
  check_rest(p);
  p.terminate();
  CHECK(told == 300);
}

TEST_CASE("a time that makes no sense is refused") {
  const leak_guard guard;
  pool p{{.workers = 1}};
  CHECK_THROWS_WITH_AS(p.with({.hedge_after = -1ns}), doctest::Contains("hedge_after is -1 ns"),
                       config_error);
  pool eager{{.start = start_method::eager}};
  CHECK_THROWS_WITH_AS(eager.with({.hedge_after = 1ns}), doctest::Contains("no second worker"),
                       config_error);
}
