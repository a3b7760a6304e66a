// ctest-timeout: 120
// ctest-label: fault
// Pools that grow with their work and shrink without it: the rule as a value, then real workers.
#include "runtime/dispatch/elastic.hpp"
#include "tests/support/eventually.hpp"
#include "tests/support/leak_guard.hpp"

#include <bulkhead/tasks.hpp>

#include <doctest/doctest.h>

#include <unistd.h>

#include <chrono>
#include <csignal>
#include <vector>

using namespace bulkhead;
using namespace bulkhead::tests;
using namespace std::chrono_literals;
using runtime::elastic;

namespace {

constexpr auto long_enough = 60s; // a watchdog, not a measure
const elastic::time_point start{};

void meet(barrier all_here) { all_here.wait(); }
void until_set(event gate) { gate.wait(); }
int doubled(int x) { return 2 * x; }

} // namespace

TEST_CASE("there are as many workers as tasks, within the bounds, and never fewer for a load") {
  elastic size{2, 5, 1s};
  CHECK(size.is_elastic());
  CHECK(size.on_load(2, 1) == 2);
  CHECK(size.on_load(2, 4) == 4);
  CHECK(size.on_load(4, 100) == 5);
  CHECK(size.on_load(5, 3) == 5);
  CHECK(!elastic{3, 3, 1s}.is_elastic());
  CHECK(size.allows(2));
  CHECK(!size.allows(1));
  CHECK(!size.allows(6));
}

TEST_CASE("workers go that no task needed for a whole period") {
  elastic size{1, 8, 10s};
  CHECK(size.next_look(1, start) == elastic::time_point::max());
  CHECK(size.on_load(1, 8) == 8);
  CHECK(size.next_look(8, start) == start + 10s);
  CHECK(size.next_look(8, start + 3s) == start + 10s); // it does not move away
  CHECK(size.on_look(8, 2, start + 9s) == 8);          // too early
  CHECK(size.on_look(8, 2, start + 10s) == 8);         // there were eight
  CHECK(size.next_look(8, start + 10s) == start + 20s);
  CHECK(size.on_load(8, 3) == 8);
  CHECK(size.on_look(8, 0, start + 20s) == 3);
  CHECK(size.next_look(3, start + 20s) == start + 30s);
  CHECK(size.on_look(3, 0, start + 30s) == 1);
  CHECK(size.next_look(1, start + 30s) == elastic::time_point::max());
}

TEST_CASE("a pool grows as soon as there are more tasks than workers") {
  const leak_guard guard;
  for (const auto method : {start_method::forkserver, start_method::spawn, start_method::thread}) {
    pool p{{.workers = 1, .start = method, .max_workers = 4}};
    CHECK(p.workers().size() == 1);
    barrier all_here{4}; // passed only by four at a time
    std::vector<future<void>> met;
    for (int i = 0; i < 4; ++i)
      met.push_back(p.submit(meet, all_here));
    CHECK(wait_all(met, long_enough));
    for (const auto& f : met)
      CHECK(f.successful());
    CHECK(p.map(doubled, std::vector<int>(100, 1)).size() == 100);
    CHECK(p.workers().size() <= 4);
    CHECK(p.stats().restarts == 0);
  }
}

TEST_CASE("an idle pool shrinks to its least size, keeps who works, and grows again") {
  const leak_guard guard;
  pool p{{.workers = 3, .min_workers = 1, .max_workers = 4, .idle_timeout = 20ms}};
  CHECK(eventually([&] { return p.workers().size() == 1; })); // nothing was ever asked of it
  event gate;
  std::vector<future<void>> busy;
  for (int i = 0; i < 4; ++i)
    busy.push_back(p.submit(until_set, gate));
  CHECK(eventually([&] {
    return busy[0].running() && busy[1].running() && busy[2].running() && busy[3].running();
  }));
  CHECK(p.workers().size() == 4);
  gate.set();
  CHECK(wait_all(busy, long_enough));
  for (const auto& f : busy)
    CHECK(f.successful());
  CHECK(eventually([&] { return p.workers().size() == 1; }));
  CHECK(p.apply(doubled, 3) == 6);
  CHECK(p.stats().restarts == 0);
}

TEST_CASE("a worker that dies beyond the least size is replaced while there is work for it") {
  const leak_guard guard;
  pool p{{.workers = 1, .max_workers = 2, .idle_timeout = 1h}};
  event gate;
  auto first = p.submit(until_set, gate);
  auto second = p.submit([] { ::kill(::getpid(), SIGKILL); });
  CHECK_THROWS_AS(second.get(long_enough), worker_died);
  auto third = p.submit(doubled, 1); // the other worker is busy
  CHECK(third.get(long_enough) == 2);
  gate.set();
  CHECK(first.wait(long_enough));
}

TEST_CASE("bounds that contradict each other, and sizes beyond them, are refused") {
  const leak_guard guard;
  CHECK_THROWS_AS((pool{{.workers = 2, .min_workers = 3}}), config_error);
  CHECK_THROWS_AS((pool{{.workers = 2, .max_workers = 1}}), config_error);
  CHECK_THROWS_AS((pool{{.min_workers = 3, .max_workers = 2}}), config_error);
  CHECK_THROWS_AS((pool{{.workers = 1, .max_workers = 2, .idle_timeout = 0s}}), config_error);
  CHECK_THROWS_AS((pool{{.workers = 1, .start = start_method::eager, .max_workers = 2}}),
                  config_error);
  pool p{{.workers = 2, .min_workers = 1, .max_workers = 3}};
  CHECK_THROWS_WITH_AS(p.resize(4), doctest::Contains("1 to 3"), config_error);
  p.resize(3);
  CHECK(p.workers().size() == 3);
}
