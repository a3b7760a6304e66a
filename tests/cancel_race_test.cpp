// ctest-label: fault
// ctest-timeout: 240
// Cancel in every state and beside everything; callbacks that misbehave.
#include "tests/support/history.hpp"
#include "tests/support/leak_guard.hpp"

#include <bulkhead/tasks.hpp>

#include <doctest/doctest.h>

#include <atomic>
#include <csignal>
#include <memory>
#include <stdexcept>
#include <thread>
#include <vector>

using namespace bulkhead;
using namespace bulkhead::tests;
using namespace std::chrono_literals;

namespace {

int marked(int n) {
  witness::start(static_cast<std::size_t>(n));
  const auto end = std::chrono::steady_clock::now() + 20us;
  while (std::chrono::steady_clock::now() < end) {
  }
  witness::end(static_cast<std::size_t>(n));
  return n;
}

void loop_for_ever() {
  volatile bool for_ever = true;
  while (for_ever) {
  }
}

template <class Done>
void wait_until(Done&& done) {
  while (!done())
    std::this_thread::yield();
}

} // namespace

TEST_CASE("cancel tells the truth: true means it never runs") {
  const leak_guard guard;
  constexpr int tasks = 4000;
  const witness seen{tasks};
  pool p{{.workers = 2, .initializer = call(&witness::open, seen.path())}};
  history h;
  std::vector<future<int>> all;
  std::size_t cancelled = 0;
  for (int i = 0; i < tasks; ++i) {
    h.submitted(static_cast<std::size_t>(i));
    all.push_back(p.submit(marked, i));
    const auto victim = static_cast<std::size_t>(i - i % 7);
    if (i % 3 == 0 && all[victim].cancel()) {
      ++cancelled;
      CHECK(all[victim].ready());
      CHECK(all[victim].outcome().failure().kind == failure_kind::cancelled);
      CHECK(!all[victim].cancel()); // twice
    }
  }
  for (std::size_t i = 0; i < all.size(); ++i) {
    REQUIRE(all[i].wait(60s));
    h.ended(i, all[i].outcome());
  }
  CHECK(h.violations(seen) == "");
  CHECK(h.count(failure_kind::cancelled) >= cancelled);
  CHECK(h.values() + h.count(failure_kind::cancelled) == tasks);
  MESSAGE(cancelled << " of " << tasks << " cancelled");
}

TEST_CASE("cancels from many threads beside kills: one outcome each") {
  const leak_guard guard;
  constexpr int tasks = 2000;
  const witness seen{tasks};
  pool p{{.workers = 2, .initializer = call(&witness::open, seen.path()), .grace = 50ms}};
  history h;
  std::vector<future<int>> all;
  for (int i = 0; i < tasks; ++i) {
    h.submitted(static_cast<std::size_t>(i));
    all.push_back(p.submit(
      [](int n) {
        if (n % 101 == 100)
          ::raise(SIGKILL);
        return marked(n);
      },
      i));
  }
  std::vector<std::thread> threads;
  for (unsigned t = 0; t < 4; ++t)
    threads.emplace_back([&, t] {
      for (std::size_t i = t; i < all.size(); i += 3)
        all[i].cancel(i % 5 == 0);
    });
  for (auto& t : threads)
    t.join();
  for (std::size_t i = 0; i < all.size(); ++i) {
    REQUIRE(all[i].wait(60s));
    h.ended(i, all[i].outcome());
  }
  CHECK(h.violations(seen) == "");
  CHECK(p.apply([] { return 1; }) == 1);
}

TEST_CASE("cancel of a running task kills its worker after the grace and no neighbour") {
  const leak_guard guard;
  const witness seen{1};
  pool p{{.workers = 2, .initializer = call(&witness::open, seen.path()), .grace = 50ms}};
  auto endless = p.submit([] {
    witness::start(0);
    loop_for_ever();
  });
  wait_until([&] { return seen.starts(0) == 1; });
  CHECK(!endless.cancel());
  endless.cancel(true);
  std::vector<future<int>> others;
  for (int i = 0; i < 500; ++i)
    others.push_back(p.submit([](int x) { return x; }, i));
  REQUIRE(endless.wait(60s));
  CHECK(endless.outcome().failure().kind == failure_kind::cancelled);
  for (int i = 0; i < 500; ++i)
    CHECK(others[static_cast<std::size_t>(i)].get(60s) == i);
}

TEST_CASE("who obeys the request within the grace keeps its result") {
  const leak_guard guard;
  pool p{{.workers = 1, .grace = 30s}};
  const witness seen{1};
  auto f = p.submit(
    [](const std::string& path) {
      witness::open(path);
      witness::start(0);
      const auto token = this_worker::stop_token();
      while (!token.stop_requested())
        std::this_thread::yield();
      return 6;
    },
    seen.path());
  wait_until([&] { return seen.starts(0) == 1; });
  CHECK(!f.cancel(true));
  CHECK(f.get() == 6);
  CHECK(p.stats().restarts == 0);
}

TEST_CASE("cancelling a whole map ends every item once") {
  const leak_guard guard;
  pool p{{.workers = 2, .grace = 50ms}};
  std::vector<int> items(5000, 1);
  auto f = p.map_async(
    [](int x) {
      const auto end = std::chrono::steady_clock::now() + 200us;
      while (std::chrono::steady_clock::now() < end) {
      }
      return x;
    },
    items);
  f.cancel();
  REQUIRE(f.wait(60s));
  CHECK(!f.outcome().has_value());
  CHECK(f.outcome().failure().kind == failure_kind::cancelled);
  CHECK(p.apply([] { return 1; }) == 1);
}

TEST_CASE("callbacks may throw, submit, cancel and drop the future; dispatch goes on") {
  const leak_guard guard;
  pool p{{.workers = 2}};
  std::atomic<int> calls{0};
  auto held = std::make_shared<future<int>>(p.submit([] { return 1; }));
  held->on_ready([&, held](const outcome<int>&) mutable {
    ++calls;
    held.reset();
  });
  held.reset();
  p.submit([] { return 2; }).on_ready([&](const outcome<int>&) {
    ++calls;
    throw std::runtime_error("from a callback; this line on stderr is expected");
  });
  p.submit([] { return 3; }).on_ready([&](const outcome<int>& o) {
    CHECK(p.submit([](int x) { return x + 1; }, o.value()).get() == 4);
    ++calls;
  });
  p.submit([] { ::raise(SIGKILL); }).on_ready([&](const outcome<void>& o) {
    CHECK(o.failure().kind == failure_kind::worker_died);
    ++calls;
  });
  auto again = p.submit([] { return 5; });
  again.on_ready([&](const outcome<int>&) {
    CHECK(!again.cancel());
    ++calls;
  });
  wait_until([&] { return calls == 5; });
  CHECK(p.apply([] { return 9; }) == 9);
}

TEST_CASE("a chain of 100,000 continuations needs no deep stack") {
  const leak_guard guard;
  pool p{{.workers = 1, .start = start_method::thread}};
  std::atomic<int> left{100'000};
  std::function<void()> step = [&] {
    if (left.fetch_sub(1) > 1)
      p.submit([] {}).on_ready([&](const outcome<void>&) { step(); });
  };
  step();
  wait_until([&] { return left <= 0; });
}

TEST_CASE("many threads wait for one future, and all see its end") {
  const leak_guard guard;
  pool p{{.workers = 1}};
  for (const bool dies : {false, true}) {
    auto f = p.submit(
      [](bool die) {
        const auto end = std::chrono::steady_clock::now() + 20ms;
        while (std::chrono::steady_clock::now() < end) {
        }
        if (die)
          ::raise(SIGKILL);
        return 3;
      },
      dies);
    std::atomic<int> saw{0};
    std::vector<std::thread> threads;
    for (int i = 0; i < 32; ++i)
      threads.emplace_back([&, f] {
        if (f.wait(60s) && f.outcome().has_value() != dies)
          ++saw;
      });
    for (auto& t : threads)
      t.join();
    CHECK(saw == 32);
  }
}
