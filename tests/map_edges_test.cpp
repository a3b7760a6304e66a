// ctest-label: fault
// Maps at their edges: large callables, limits on every item, results that cannot be decoded.
#include "tests/support/eventually.hpp"
#include "tests/support/leak_guard.hpp"

#include <bulkhead/tasks.hpp>

#include <doctest/doctest.h>

#include <unistd.h>

#include <array>
#include <atomic>
#include <csignal>
#include <map>
#include <memory>
#include <ranges>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

using namespace bulkhead;
using namespace bulkhead::tests;
using namespace std::chrono_literals;

namespace {

/// Its invariant holds in the worker that makes it and in nobody who decodes it.
struct brittle {
  std::string value;
  template <class Inspector>
  friend bool inspect(Inspector& f, brittle& x) {
    if constexpr (Inspector::is_loading)
      throw std::invalid_argument("invariant");
    return f.object(x).fields(f.field("value", x.value));
  }
};

/// As deep as it is long.
struct chain {
  int length = 0;
  std::vector<chain> next;
  template <class Inspector>
  friend bool inspect(Inspector& f, chain& x) {
    return f.object(x).fields(f.field("length", x.length), f.field("next", x.next));
  }
};

} // namespace

TEST_CASE("a callable larger than a chunk maps every item") {
  const leak_guard guard;
  struct table {
    std::array<char, 64 * 1024> bytes;
  } large{};
  large.bytes[7] = 5;
  const auto add = [large](int x) { return x + large.bytes[7]; };
  pool p{{.workers = 2}};
  const std::vector<int> input{1, 2, 3};
  const std::vector<int> right{6, 7, 8};
  CHECK(p.map(add, input) == right);
  CHECK(p.try_map(add, input).size() == 3);
  CHECK(p.map_async(add, input).get() == right);
  std::vector<int> lazy;
  for (int x : p.imap(add, input))
    lazy.push_back(x);
  CHECK(lazy == right);
}

TEST_CASE("a soft limit holds for every item of a chunk") {
  const leak_guard guard;
  pool p{{.workers = 1, .grace = 60s}};
  const auto obey = [](int) {
    while (!this_worker::stop_requested())
      ::usleep(100);
    return 1;
  };
  const auto all = p.with({.soft_timeout = 10ms}).try_map(obey, std::vector<int>(4), {.chunk = 4});
  REQUIRE(all.size() == 4);
  for (const auto& one : all)
    CHECK(one.has_value());
}

TEST_CASE("a deadline ends what lies unstarted in a busy worker's ring") {
  const leak_guard guard;
  pool p{{.workers = 1}};
  auto busy = p.submit([] {
    while (!this_worker::stop_requested())
      ::usleep(1000);
  });
  REQUIRE(eventually([&] { return p.stats().in_flight == 1; }, 30s));
  auto late = p.with({.deadline = 20ms}).submit([] {});
  REQUIRE(late.wait(60s));
  CHECK(late.outcome().failure().kind == failure_kind::timeout);
  CHECK_FALSE(late.outcome().failure().may_have_executed);
  CHECK_FALSE(busy.ready());
  busy.cancel(true);
}

TEST_CASE("whatever the decoding of a result throws is that task's outcome") {
  const leak_guard guard;
  pool p{{.workers = 1}};
  auto one = p.submit([] { return brittle{"1"}; });
  std::atomic<int> called = 0;
  one.on_ready([&](const outcome<brittle>& o) { called = o.has_value() ? 2 : 1; });
  REQUIRE(eventually([&] { return called != 0; }, 30s));
  CHECK(called == 1);
  CHECK_FALSE(one.successful());
  CHECK(one.outcome().failure().kind == failure_kind::codec);
  CHECK(one.outcome().failure().message.find("invariant") != std::string::npos);
  const auto all =
    p.try_map([](int x) { return brittle{std::to_string(x)}; }, std::vector<int>{1, 2});
  REQUIRE(all.size() == 2);
  CHECK_FALSE(all[1].has_value());
}

TEST_CASE("a map that was cancelled in time says so only where nothing of it ran") {
  const leak_guard guard;
  pool p{{.workers = 1, .retries = 3}};
  // The first item has its value; the second is retried when the cancel comes.
  auto run = p.map_async(
    [](int x) {
      if (x == 1)
        ::raise(SIGKILL);
      return x;
    },
    std::vector<int>{0, 1}, {.chunk = 1});
  REQUIRE(eventually([&] { return p.stats().succeeded == 1; }, 30s));
  CHECK_FALSE(run.cancel());
  CHECK(run.wait(60s));
}

TEST_CASE("close() lets a blocked submit go") {
  const leak_guard guard;
  pool p{{.workers = 1, .queue_capacity = 1}};
  auto busy = p.submit([] { ::pause(); });
  REQUIRE(eventually([&] { return p.stats().in_flight == 1; }, 30s));
  std::vector<future<void>> queued;
  std::atomic<bool> refused = false;
  std::atomic<bool> blocked = false;
  std::thread submitter{[&] {
    try {
      for (int i = 0; i < 10; ++i) {
        blocked = i >= 2;
        queued.push_back(p.submit([] {}));
      }
    } catch (const pool_closed&) {
      refused = true;
    }
  }};
  REQUIRE(eventually([&] { return blocked.load() && p.stats().queued >= 1; }, 30s));
  p.close();
  CHECK(eventually([&] { return refused.load(); }, 60s));
  submitter.join();
  p.terminate();
}

TEST_CASE("for_each ships no results, nor asks that they can travel") {
  const leak_guard guard;
  struct stays {
    std::unique_ptr<int> here;
  };
  pool p{{.workers = 1}};
  p.for_each([](int x) { return stays{std::make_unique<int>(x)}; }, std::vector<int>{1, 2, 3});
  CHECK(p.stats().succeeded == 3);
  CHECK_THROWS_AS(
    p.for_each([](int) -> int { throw std::runtime_error("no"); }, std::vector<int>{1}),
    task_error);
}

TEST_CASE("what was read before the input throws is delivered before the exception") {
  const leak_guard guard;
  pool p{{.workers = 2}};
  const auto broken_at = [](int line) {
    return std::views::iota(0) | std::views::transform([line](int i) {
             if (i == line)
               throw std::runtime_error("line is broken");
             return i;
           });
  };
  for (const int line : {0, 5, 3000}) {
    int next = 0;
    bool thrown = false;
    try {
      for (int x : p.imap([](int x) { return x; }, broken_at(line)))
        CHECK(x == next++);
    } catch (const std::runtime_error& e) {
      thrown = std::string{e.what()} == "line is broken";
    }
    CHECK(thrown);
    CHECK(next == line);
  }
}

TEST_CASE("an on_progress that throws ends its map") {
  const leak_guard guard;
  pool p{{.workers = 1}};
  const auto tell = [](std::size_t, std::size_t) { throw std::runtime_error("enough"); };
  CHECK_THROWS_AS(p.map([](int) { ::usleep(100'000); }, std::vector<int>(1000),
                        {.chunk = 1, .on_progress = tell}),
                  std::runtime_error);
  CHECK(p.apply([] { return 1; }) == 1);
  CHECK(p.stats().cancelled > 900);
}

TEST_CASE("lazy results and callbacks may be of types that only move") {
  const leak_guard guard;
  pool p{{.workers = 1}};
  int sum = 0;
  for (auto x : p.imap([](int x) { return std::make_unique<int>(x); }, std::vector<int>{1, 2}))
    sum += *x;
  CHECK(sum == 3);
  std::atomic<int> seen = 0;
  auto f = p.submit([] { return 7; });
  f.on_ready(
    [&seen, own = std::make_unique<int>(1)](const outcome<int>& o) { seen = o.value() + *own; });
  CHECK(eventually([&] { return seen == 8; }, 30s));
}

TEST_CASE("a value nested too deep is refused before it exhausts the caller's stack") {
  const leak_guard guard;
  pool p{{.workers = 1}};
  chain deep;
  for (auto* at = &deep; ++deep.length < 100'000;)
    at = &at->next.emplace_back();
  CHECK_THROWS_AS(p.submit([](const chain& c) { return c.length; }, deep), codec_error);
  while (!deep.next.empty()) { // its destructor would nest as deep
    auto next = std::move(deep.next.front().next);
    deep.next = std::move(next);
  }
}
