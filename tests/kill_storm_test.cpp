// ctest-label: fault
// ctest-timeout: 300
// ctest-serial
#include "tests/support/history.hpp"
#include "tests/support/leak_guard.hpp"
#include "tests/support/nemesis.hpp"
#include "tests/support/own_usage.hpp"

#include <bulkhead/tasks.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <csignal>
#include <mutex>
#include <vector>

using namespace bulkhead;
using namespace bulkhead::tests;
using namespace std::chrono_literals;

namespace {

int storm_item(int n) {
  witness::start(static_cast<std::size_t>(n));
  const auto end = std::chrono::steady_clock::now() + 40us;
  while (std::chrono::steady_clock::now() < end) {
  }
  witness::end(static_cast<std::size_t>(n));
  return n;
}

/// One round of submitted tasks: one history.
void submit_round(pool& p, witness& seen, int tasks, std::size_t& casualties) {
  seen.forget();
  history h;
  std::vector<future<int>> all;
  all.reserve(static_cast<std::size_t>(tasks));
  for (int i = 0; i < tasks; ++i) {
    h.submitted(static_cast<std::size_t>(i));
    all.push_back(p.submit(storm_item, i));
  }
  for (std::size_t i = 0; i < all.size(); ++i) {
    REQUIRE(all[i].wait(60s));
    h.ended(i, all[i].outcome());
    if (all[i].outcome().has_value())
      REQUIRE(all[i].outcome().value() == static_cast<int>(i));
  }
  CHECK(h.violations(seen) == "");
  const auto died = h.count(failure_kind::worker_died);
  CHECK(h.values() + died == all.size());
  CHECK(h.deaths_without_start(seen) <= 2 + died / 4); // killed between claim and first line
  casualties += died;
}

/// The same as one map in chunks.
void map_round(pool& p, witness& seen, int tasks, std::size_t& casualties) {
  seen.forget();
  history h;
  std::vector<int> items;
  for (int i = 0; i < tasks; ++i)
    items.push_back(i);
  const auto all = p.try_map(storm_item, items);
  for (std::size_t i = 0; i < all.size(); ++i) {
    h.submitted(i);
    h.ended(i, all[i]);
  }
  CHECK(h.violations(seen) == "");
  casualties += h.count(failure_kind::worker_died);
}

} // namespace

TEST_CASE("in a storm of kills each of 100,000 tasks has one outcome, and nothing leaks") {
  const leak_guard guard;
  constexpr int rounds = 10;
  constexpr int tasks = 10'000;
  witness seen{tasks};
  nemesis killer{{.interval = 20ms, .seed = 7}};
  std::size_t casualties = 0;
  std::size_t rss = 0;
  std::size_t descriptors = 0;
  std::uint64_t restarts = 0;
  {
    pool p{
      {.workers = 2, .initializer = call(&witness::open, seen.path()), .on_event = killer.feed()}};
    for (int round = 0; round < rounds; ++round) {
      round % 2 == 0 ? submit_round(p, seen, tasks, casualties)
                     : map_round(p, seen, tasks, casualties);
      if (round == 3) {
        rss = own_rss_bytes();
        descriptors = own_descriptors();
      }
    }
    CHECK(own_descriptors() <= descriptors + 16); // two workers more or less
    CHECK(own_rss_bytes() <= rss + (std::size_t{8} << 20));
    MESSAGE("resident " << rss / 1024 << " KiB after round 4, " << own_rss_bytes() / 1024
                        << " KiB after round " << rounds);
    restarts = p.stats().restarts;
    const auto s = p.stats();
    CHECK(s.submitted == s.succeeded + s.failed + s.cancelled);
  }
  const auto kills = killer.stop();
  CHECK(kills > 20);
  CHECK(restarts > 10);
  CHECK(casualties <= kills); // no kill cost more than one task
  MESSAGE(kills << " kills, " << restarts << " replacements, " << casualties
                << " tasks lost of 100000");
}

TEST_CASE("with retries no task of a kill storm is lost") {
  const leak_guard guard;
  constexpr int tasks = 20'000;
  const witness seen{tasks};
  nemesis killer{{.interval = 20ms, .seed = 11}};
  {
    pool p{{.workers = 3,
            .initializer = call(&witness::open, seen.path()),
            .retries = 20,
            .poison_after = 0,
            .on_event = killer.feed()}};
    history h;
    std::vector<int> items;
    for (int i = 0; i < tasks; ++i)
      items.push_back(i);
    const auto all = p.try_map(storm_item, items);
    for (std::size_t i = 0; i < all.size(); ++i) {
      h.submitted(i, 21);
      h.ended(i, all[i]);
    }
    CHECK(h.violations(seen) == "");
    CHECK(h.values() == tasks);
  }
  killer.stop();
}

namespace {

/// When things happened, told by the pool's events.
struct timeline {
  using time = std::chrono::steady_clock::time_point;
  std::mutex mutex;
  std::condition_variable changed;
  time died{};
  time ready{};

  void note(const pool_event& event) {
    const std::lock_guard lock{mutex};
    if (event.kind == event_kind::died)
      died = std::chrono::steady_clock::now();
    if (event.kind == event_kind::ready)
      ready = std::chrono::steady_clock::now();
    changed.notify_all();
  }
  bool wait_for(time since) {
    std::unique_lock lock{mutex};
    return changed.wait_for(lock, 60s, [&] { return died > since && ready > since; });
  }
};

double percentile(std::vector<double> all, double share) {
  std::sort(all.begin(), all.end());
  return all[static_cast<std::size_t>(share * static_cast<double>(all.size() - 1))];
}

} // namespace

TEST_CASE("a death is seen and its replacement serves; the figures") {
  const leak_guard guard;
  timeline times;
  pool p{{.workers = 2,
          .restart = {.max_restarts = 100'000, .backoff_initial = 0ms, .backoff_max = 0ms},
          .on_event = [&](const pool_event& e) { times.note(e); }}};
  p.broadcast([] {});
  std::vector<double> detected;
  std::vector<double> served;
  for (int round = 0; round < 300; ++round) {
    const auto victims = p.workers();
    REQUIRE(!victims.empty());
    const auto begin = std::chrono::steady_clock::now();
    REQUIRE(::kill(victims[static_cast<std::size_t>(round) % victims.size()].pid, SIGKILL) == 0);
    REQUIRE(times.wait_for(begin));
    using ms = std::chrono::duration<double, std::milli>;
    detected.push_back(ms(times.died - begin).count());
    served.push_back(ms(times.ready - begin).count());
  }
  MESSAGE("death detected after " << percentile(detected, 0.5) << " ms (p50), "
                                  << percentile(detected, 0.99)
                                  << " ms (p99); replacement serves after "
                                  << percentile(served, 0.5) << " ms (p50), "
                                  << percentile(served, 0.99) << " ms (p99)");
}
