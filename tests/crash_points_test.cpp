// ctest-label: fault
// ctest-timeout: 300
// Every named point of the channel protocol, on both sides: what happens there must not matter.
#include "tests/support/history.hpp"
#include "tests/support/leak_guard.hpp"
#include "tests/support/lose_host.hpp"

#include <bulkhead/tasks.hpp>
#include <bulkhead/testing/hooks.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <csignal>
#include <string>
#include <vector>

#if defined(BULKHEAD_HOOKS) && BULKHEAD_HOOKS

using namespace bulkhead;
using namespace bulkhead::tests;
using namespace std::chrono_literals;
using testing::hook_action;

namespace {

/// Arms one worker of the pool, the first that comes here.
void arm_first_worker(const std::string& path, const std::string& point, std::uint32_t count,
                      hook_action action) {
  witness::open(path);
  if (witness::first_of_all())
    testing::arm_hook(point, count, action);
}

int point_item(int n) {
  witness::start(static_cast<std::size_t>(n));
  if (n % 16 == 5) { // slow: what lies behind it is recalled
    const auto end = std::chrono::steady_clock::now() + 4ms;
    while (std::chrono::steady_clock::now() < end) {
    }
  }
  witness::end(static_cast<std::size_t>(n));
  return n;
}

constexpr int items = 64;

struct scenario {
  std::string point;
  std::uint32_t count;
  hook_action action;
  bool map;
};

void run_submits(pool& p, history& h) {
  std::vector<future<int>> all;
  for (int i = 0; i < items; ++i) {
    h.submitted(static_cast<std::size_t>(i));
    all.push_back(p.submit(point_item, i));
  }
  for (std::size_t i = 3; i < all.size(); i += 7)
    all[i].cancel();
  for (std::size_t i = 0; i < all.size(); ++i) {
    REQUIRE(all[i].wait(60s));
    h.ended(i, all[i].outcome());
  }
}

void run_map(pool& p, history& h) {
  std::vector<int> input;
  for (int i = 0; i < items; ++i)
    input.push_back(i);
  const auto all = p.try_map(point_item, input, {.chunk = 16});
  for (std::size_t i = 0; i < all.size(); ++i) {
    h.submitted(i);
    h.ended(i, all[i]);
  }
}

/// How many workers died of it.
std::uint64_t play(const scenario& s) {
  const auto place = s.point + " count " + std::to_string(s.count) + " action "
                     + std::to_string(static_cast<int>(s.action)) + (s.map ? " map" : " submit");
  CAPTURE(place);
  const witness seen{items};
  pool p{{.workers = 2,
          .initializer = call(arm_first_worker, seen.path(), s.point, s.count, s.action),
          .grace = 100ms,
          .unresponsive_after = 300ms}};
  history h;
  s.map ? run_map(p, h) : run_submits(p, h);
  CHECK(h.violations(seen) == "");
  CHECK(h.count(failure_kind::worker_died) <= 1);
  for (int i = 0; i < 4; ++i)
    CHECK(p.apply([](int x) { return x + 1; }, i) == i + 1);
  const auto stats = p.stats();
  CHECK(stats.submitted == stats.succeeded + stats.failed + stats.cancelled);
  CHECK(stats.bad_messages == 0);
  return stats.restarts;
}

void enumerate(hook_action action, bool expect_deaths) {
  const leak_guard guard;
  for (const auto point : testing::worker_hooks()) {
    std::uint64_t deaths = 0;
    for (const bool map : {false, true})
      for (const std::uint32_t count : {1U, 4U})
        deaths += play({std::string(point), count, action, map});
    const bool certain = point != "worker.returned" && point != "worker.sleeping";
    if (expect_deaths && certain)
      CHECK_MESSAGE(deaths > 0, "nobody died at ", std::string(point));
    if (!expect_deaths)
      CHECK(deaths == 0);
  }
}

} // namespace

TEST_CASE("a worker killed at any step of the protocol costs at most the task it had started") {
  enumerate(hook_action::kill, true);
}

TEST_CASE("a worker that crashes at any step costs at most the task it had started") {
  enumerate(hook_action::crash, true);
}

TEST_CASE("a worker that exits with 0 at any step is never taken for a success") {
  enumerate(hook_action::exit, true);
}

TEST_CASE("a worker that is stopped at any step is found and replaced") {
  const leak_guard guard;
  for (const auto point : testing::worker_hooks())
    for (const bool map : {false, true})
      play({std::string(point), 2, hook_action::stop, map});
}

TEST_CASE("a worker that is late at any step loses nothing and is not killed") {
  enumerate(hook_action::delay, false);
}

TEST_CASE("a host killed at any step of the protocol leaves no process behind") {
  const leak_guard guard;
  double longest = 0;
  for (const auto point : testing::host_hooks())
    for (const int count : {1, 3}) {
      CAPTURE(std::string(point));
      longest = std::max(longest, lose_host("hooked_host", std::string(point), count));
    }
  MESSAGE("the last descendant was gone " << longest << " ms after its host");
}

#endif
