// ctest-timeout: 120
// The pool's calls beyond submit and map: times, progress, several inputs, a full backlog,
// shutdown, the default pool.
#include "tests/support/eventually.hpp"
#include "tests/support/leak_guard.hpp"

#include <bulkhead/tasks.hpp>

#include <doctest/doctest.h>

#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <forward_list>
#include <mutex>
#include <ranges>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

using namespace bulkhead;
using namespace bulkhead::tests;
using namespace std::chrono_literals;

namespace {

constexpr auto long_enough = 60s; // a watchdog, not a measure

int doubled(int x) { return 2 * x; }
int sum(int a, int b) { return a + b; }
void until_set(event gate) { gate.wait(); }
int third_waits(int i, event gate) {
  if (i == 2)
    gate.wait();
  return i;
}

std::vector<std::pair<int, event>> three(const event& gate) {
  return {{0, gate}, {1, gate}, {2, gate}};
}

} // namespace

TEST_CASE("a map's time ends the wait and cancels what has not begun") {
  const leak_guard guard;
  pool p{{.workers = 1}};
  event gate;
  auto blocker = p.submit(until_set, gate);
  REQUIRE(eventually([&] { return blocker.running(); }));
  const std::vector<int> input{1, 2, 3};
  const map_options brief{.timeout = 10ms};
  CHECK_THROWS_AS(p.map(doubled, input, brief), timeout_error);
  CHECK_THROWS_AS(p.try_map(doubled, input, brief), timeout_error);
  CHECK_THROWS_AS(p.for_each(doubled, input, brief), timeout_error);
  gate.set();
  CHECK(p.map(doubled, input, {.timeout = long_enough}) == std::vector<int>{2, 4, 6});
  CHECK(eventually([&] { return p.stats().cancelled == 9; }));
}

TEST_CASE("a map's time counts while it waits for room") {
  const leak_guard guard;
  pool p{{.workers = 1, .queue_capacity = 1}};
  event gate;
  auto blocker = p.submit(until_set, gate);
  const auto endless = std::views::iota(0);
  CHECK_THROWS_AS(p.map(doubled, endless, {.chunk = 1, .timeout = 20ms}), timeout_error);
  CHECK(!blocker.ready());
  gate.set();
  CHECK(p.apply(doubled, 4) == 8);
}

TEST_CASE("map_async has no time and says so, and a time below zero is none") {
  pool p{{.workers = 1}};
  const std::vector<int> input{1};
  CHECK_THROWS_AS(p.map_async(doubled, input, {.timeout = 1s}), config_error);
  CHECK_THROWS_AS(p.map(doubled, input, {.timeout = -1s}), config_error);
}

TEST_CASE("a lazy result that is not there in time may be asked for again") {
  const leak_guard guard;
  pool p{{.workers = 1}};
  event gate;
  auto results = p.istarmap(third_waits, three(gate), {.chunk = 1});
  CHECK(results.next(long_enough)->value() == 0);
  CHECK(results.next()->value() == 1);
  CHECK_THROWS_AS(results.next(1ms), timeout_error);
  gate.set();
  CHECK(results.next(long_enough)->value() == 2);
  CHECK(!results.next());
  CHECK(!results.next(0s));
}

TEST_CASE("a lazy map's time is that of all its results") {
  const leak_guard guard;
  pool p{{.workers = 1}};
  event gate;
  std::vector<int> seen;
  const auto read = [&] {
    for (const int x : p.istarmap(third_waits, three(gate), {.chunk = 1, .timeout = 500ms}))
      seen.push_back(x);
  };
  CHECK_THROWS_AS(read(), timeout_error);
  CHECK(seen == std::vector<int>{0, 1});
  gate.set();
}

TEST_CASE("several inputs go side by side, to the end of the shortest") {
  const leak_guard guard;
  pool p{{.workers = 2}};
  const std::vector<int> a{1, 2, 3, 4};
  const std::forward_list<int> b{10, 20, 30};
  const std::vector<int> right{11, 22, 33};
  CHECK(p.starmap(sum, zip(a, b)) == right);
  CHECK(p.starmap_async(sum, zip(a, b)).get() == right);
  CHECK(p.starmap(sum, zip(std::vector<int>{1, 2}, std::views::iota(5))) == std::vector{6, 8});
  std::vector<int> lazy;
  for (const int x : p.istarmap(sum, zip(a, b)))
    lazy.push_back(x);
  CHECK(lazy == right);
  int total = 0;
  for (const int x : p.istarmap_unordered(sum, zip(a, a)))
    total += x;
  CHECK(total == 20);
}

TEST_CASE("map_async and imap tell their progress, to the end") {
  const leak_guard guard;
  pool p{{.workers = 2}};
  const std::vector<int> input(200, 1);
  using counts = std::pair<std::size_t, std::size_t>;
  std::mutex access;
  std::vector<counts> told;
  const auto tell = [&](std::size_t done, std::size_t total) {
    const std::lock_guard lock{access};
    told.emplace_back(done, total);
  };
  const auto last_is_all = [&] {
    const std::lock_guard lock{access};
    return !told.empty() && told.back() == counts{200, 200};
  };
  CHECK(p.map_async(doubled, input, {.chunk = 1, .on_progress = tell}).get().size() == 200);
  CHECK(eventually(last_is_all));
  CHECK(std::is_sorted(told.begin(), told.end()));
  told.clear();
  for (const int x : p.imap(doubled, input, {.chunk = 1, .on_progress = tell}))
    CHECK(x == 2);
  CHECK(last_is_all());
  CHECK(told.size() > 1);
}

TEST_CASE("what map_async tells throws on its own thread and harms nothing") {
  const leak_guard guard;
  pool p{{.workers = 1, .output = output_mode::null}};
  const auto tell = [](std::size_t, std::size_t) { throw std::runtime_error("deaf"); };
  CHECK(p.map_async(doubled, {1, 2}, {.on_progress = tell}).get() == std::vector{2, 4});
}

TEST_CASE("a full backlog drops the oldest of the lowest priority") {
  const leak_guard guard;
  pool p{{.workers = 1, .queue_capacity = 2, .on_full = on_full::drop_oldest}};
  event gate;
  auto blocker = p.submit(until_set, gate);
  REQUIRE(eventually([&] { return blocker.running(); }));
  auto urgent = p.with({.priority = 1}).submit(doubled, 100);
  std::vector<future<int>> all;
  while (all.empty() || !all.front().ready())
    all.push_back(p.submit(doubled, static_cast<int>(all.size())));
  gate.set();
  CHECK_THROWS_AS(all.front().get(), queue_full);
  CHECK(!all.front().outcome().failure().may_have_executed);
  CHECK(urgent.get(long_enough) == 200);
  CHECK(all.back().get(long_enough) == 2 * static_cast<int>(all.size() - 1));
  p.close();
  p.join();
  const auto s = p.stats();
  CHECK(s.submitted == s.succeeded + s.failed);
}

TEST_CASE("a full backlog lets the submitter run the task") {
  const leak_guard guard;
  pool p{{.workers = 1, .queue_capacity = 1, .on_full = on_full::run_in_caller}};
  event gate;
  auto blocker = p.submit(until_set, gate);
  std::vector<future<pid_t>> all;
  const auto ran_here = [](const future<pid_t>& f) { return f.ready() && f.get() == ::getpid(); };
  while (all.empty() || !ran_here(all.back()))
    all.push_back(p.submit(::getpid));
  CHECK(!blocker.ready());
  CHECK_THROWS_AS(p.submit([](int) -> int { throw std::domain_error("here"); }, 1).get(),
                  task_error);
  gate.set();
  p.close();
  p.join();
  const auto s = p.stats();
  CHECK(s.failed == 1);
  CHECK(s.submitted == s.succeeded + s.failed);
}

TEST_CASE("shutdown cancels what has not begun and waits for what has") {
  const leak_guard guard;
  pool p{{.workers = 1}};
  event gate;
  auto running = p.submit(until_set, gate);
  REQUIRE(eventually([&] { return running.running(); }));
  std::vector<future<int>> pending;
  for (int i = 0; i < 50; ++i)
    pending.push_back(p.submit(doubled, i));
  p.shutdown({.wait = false, .cancel_pending = true});
  CHECK(wait_all(pending, long_enough));
  for (const auto& f : pending)
    CHECK_THROWS_AS(f.get(), cancelled_error);
  CHECK(!running.ready());
  CHECK_THROWS_AS(p.submit(doubled, 1), pool_closed);
  gate.set();
  p.shutdown();
  CHECK(running.successful());
  CHECK(p.workers().empty());
}

TEST_CASE("shutdown as it comes waits for all") {
  const leak_guard guard;
  pool p{{.workers = 2}};
  std::vector<future<int>> pending;
  for (int i = 0; i < 50; ++i)
    pending.push_back(p.submit(doubled, i));
  p.shutdown();
  for (const auto& f : pending)
    CHECK(f.successful());
}

TEST_CASE("of many threads that wait for room each gets in") {
  const leak_guard guard;
  pool p{{.workers = 2, .queue_capacity = 2}};
  constexpr int threads = 8;
  constexpr int calls = 2000;
  std::vector<std::thread> all;
  std::atomic<int> good = 0;
  for (int i = 0; i < threads; ++i)
    all.emplace_back([&] {
      for (int n = 0; n < calls; ++n)
        good += p.submit(doubled, n).get() == 2 * n ? 1 : 0;
    });
  for (auto& each : all)
    each.join();
  CHECK(good == threads * calls);
  CHECK(p.stats().succeeded == threads * calls);
}

// Without a leak guard: what is never destroyed keeps some descriptors.
TEST_CASE("the default pool is one, and is made anew after its end") {
  auto& first = default_pool();
  CHECK(&default_pool() == &first);
  CHECK(first.apply(doubled, 3) == 6);
  // A task has a default pool of its own.
  CHECK(first.apply(
          [](int x) {
            auto& mine = default_pool();
            const int twice = mine.apply(doubled, x);
            mine.terminate();
            return twice;
          },
          5)
        == 10);
  first.shutdown();
  auto& second = default_pool();
  CHECK(&second != &first);
  CHECK(second.apply(doubled, 4) == 8);
  second.terminate();
}
