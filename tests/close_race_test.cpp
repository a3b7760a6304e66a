// ctest-label: fault
// ctest-timeout: 240
// Ends of a pool beside everything else: each accepted task still has exactly one outcome.
#include "tests/support/history.hpp"
#include "tests/support/leak_guard.hpp"
#include "tests/support/own_forkserver.hpp"

#include <bulkhead/tasks.hpp>

#include <doctest/doctest.h>

#include <atomic>
#include <csignal>
#include <memory>
#include <mutex>
#include <optional>
#include <stdexcept>
#include <thread>
#include <vector>

using namespace bulkhead;
using namespace bulkhead::tests;
using namespace std::chrono_literals;

namespace {

int marked(int n) {
  witness::start(static_cast<std::size_t>(n));
  witness::end(static_cast<std::size_t>(n));
  return n;
}

enum class ending { close, terminate, destroy, close_and_kill };

/// Threads submit until they are refused, while another thread ends the pool.
void race(ending how, int threads) {
  constexpr int most = 4000;
  const witness seen{most};
  history h;
  std::atomic<int> next{0};
  std::mutex mutex;
  std::vector<std::pair<int, future<int>>> accepted;
  auto p = std::make_optional<pool>(
    pool_options{.workers = 2, .initializer = call(&witness::open, seen.path()), .grace = 100ms});
  std::vector<std::thread> submitters;
  std::atomic<int> running{0};
  for (int t = 0; t < threads; ++t)
    submitters.emplace_back([&] {
      ++running;
      try {
        for (int n = next++; n < most; n = next++) {
          auto f = p->submit(marked, n);
          h.submitted(static_cast<std::size_t>(n));
          const std::lock_guard lock{mutex};
          accepted.emplace_back(n, std::move(f));
        }
      } catch (const pool_closed&) { // refused: not accepted, no outcome
      }
    });
  while (running < threads || next < 50)
    std::this_thread::yield();
  if (how == ending::close_and_kill)
    for (const auto& w : p->workers())
      ::kill(w.pid, SIGKILL);
  how == ending::terminate || how == ending::destroy ? p->terminate() : p->close();
  for (auto& t : submitters)
    t.join();
  if (how == ending::destroy)
    p.reset();
  else if (how != ending::terminate)
    REQUIRE(p->join(60s));
  for (auto& [n, f] : accepted) {
    REQUIRE(f.wait(60s));
    h.ended(static_cast<std::size_t>(n), f.outcome());
  }
  CHECK(h.violations(seen) == "");
  if (how == ending::close)
    CHECK(h.values() == accepted.size());
}

} // namespace

TEST_CASE("submits that race with the pool's end are refused or have one outcome") {
  const leak_guard guard;
  for (const auto how : {ending::close, ending::terminate, ending::destroy, ending::close_and_kill})
    for (int round = 0; round < 15; ++round)
      race(how, 8);
}

TEST_CASE("a map that races with terminate ends with an outcome for each item") {
  const leak_guard guard;
  for (int round = 0; round < 10; ++round) {
    pool p{{.workers = 2, .grace = 100ms}};
    std::atomic<bool> begun{false};
    std::thread mapper([&] {
      std::vector<int> items(20'000, 1);
      begun = true;
      try {
        p.try_map([](int x) { return x; }, items);
      } catch (const pool_closed&) {
      }
    });
    while (!begun)
      std::this_thread::yield();
    p.terminate();
    mapper.join();
  }
}

TEST_CASE("a pool may be destroyed while an exception unwinds") {
  const leak_guard guard;
  future<int> left;
  CHECK_THROWS_AS(
    [&] {
      pool p{{.workers = 1}};
      left = p.submit([] { return 1; });
      throw std::logic_error("away");
    }(),
    std::logic_error);
  CHECK(left.ready());
}

TEST_CASE("a pool may be destroyed in a callback of its own task") {
  const leak_guard guard;
  for (int round = 0; round < 10; ++round) {
    auto p = std::make_unique<pool>(pool_options{.workers = 1});
    std::atomic<bool> destroyed{false};
    auto f = p->submit([] { return 1; });
    f.on_ready([&](const outcome<int>&) {
      p.reset();
      destroyed = true;
    });
    while (!destroyed)
      std::this_thread::yield();
    CHECK(f.get() == 1);
  }
}

TEST_CASE("a pool made in a thread that ends goes on") {
  const leak_guard guard;
  std::optional<pool> p;
  std::thread([&] { p.emplace(pool_options{.workers = 2}); }).join();
  for (int i = 0; i < 50; ++i)
    CHECK(p->apply([](int x) { return x; }, i) == i);
  std::thread([&] { p.reset(); }).join();
}

TEST_CASE("a pool inside a worker works, and its workers end with it") {
  const leak_guard guard;
  pool p{{.workers = 1}};
  const auto inner = p.apply([] {
    pool nested{{.workers = 1}};
    return nested.apply([](int x) { return x + 1; }, 41);
  });
  CHECK(inner == 42);
  auto killed = p.submit([] {
    pool nested{{.workers = 2}};
    nested.broadcast([] {});
    ::raise(SIGKILL);
  });
  CHECK(!killed.outcome().has_value()); // the guard looks for the grandchildren
}

TEST_CASE("many pools beside each other are independent") {
  const leak_guard guard;
  std::vector<std::unique_ptr<pool>> all;
  for (int i = 0; i < 8; ++i)
    all.push_back(std::make_unique<pool>(pool_options{.workers = 1}));
  auto killed = all[3]->submit([] { ::raise(SIGKILL); });
  for (int i = 0; i < 8; ++i)
    CHECK(all[static_cast<std::size_t>(i)]->apply([](int x) { return x * x; }, i) == i * i);
  CHECK(killed.wait(60s));
  for (int i = 0; i < 8; ++i)
    CHECK(all[static_cast<std::size_t>(i)]->stats().restarts == (i == 3 ? 1 : 0));
}

TEST_CASE("resizing under load loses nothing") {
  const leak_guard guard;
  constexpr int tasks = 3000;
  const witness seen{tasks};
  pool p{{.workers = 2, .initializer = call(&witness::open, seen.path())}};
  history h;
  std::vector<future<int>> all;
  constexpr std::size_t sizes[] = {1, 4, 2, 1, 3};
  for (int i = 0; i < tasks; ++i) {
    if (i % 300 == 0)
      p.resize(sizes[static_cast<std::size_t>(i / 300) % std::size(sizes)]);
    h.submitted(static_cast<std::size_t>(i));
    all.push_back(p.submit(marked, i));
  }
  for (std::size_t i = 0; i < all.size(); ++i) {
    REQUIRE(all[i].wait(60s));
    h.ended(i, all[i].outcome());
  }
  CHECK(h.violations(seen) == "");
  CHECK(h.values() == tasks);
  CHECK(p.stats().restarts == 0);
  CHECK_THROWS_AS(p.resize(0), config_error);
}

TEST_CASE("the forkserver may die at any time: running tasks go on, replacements come") {
  const leak_guard guard;
  pool p{{.workers = 2}};
  for (int round = 0; round < 5; ++round) {
    auto long_task = p.submit([] {
      const auto end = std::chrono::steady_clock::now() + 100ms;
      while (std::chrono::steady_clock::now() < end) {
      }
      return 7;
    });
    signal_forkserver(SIGKILL);
    CHECK(long_task.get() == 7);
    const auto killed = p.submit([] { ::raise(SIGKILL); }).outcome();
    CHECK(killed.failure().kind == failure_kind::worker_died);
    CHECK(p.apply([] { return 1; }) == 1);
  }
}

namespace {
/// Destroyed by exit, after main.
std::optional<pool> of_the_program;
} // namespace

TEST_CASE("a pool in static storage ends with the program") {
  of_the_program.emplace(pool_options{.workers = 1});
  CHECK(of_the_program->apply([] { return 1; }) == 1);
}
