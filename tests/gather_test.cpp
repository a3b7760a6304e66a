// ctest-label: fault
// ctest-timeout: 240
// Short tasks that were submitted one by one travel together: what each is told, and when, is as if
// it had gone alone.
#include "runtime/dispatch/gathering.hpp"
#include "tests/support/history.hpp"
#include "tests/support/leak_guard.hpp"

#include <bulkhead/event.hpp>
#include <bulkhead/tasks.hpp>

#include <doctest/doctest.h>

#include <array>
#include <csignal>
#include <cstdlib>
#include <optional>
#include <random>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

using namespace bulkhead;
using namespace bulkhead::tests;
using namespace std::chrono_literals;

namespace {

/// A worker's gates; the first holds whoever comes, the second the task with number `slow`.
std::optional<event> entrance;
std::optional<event> middle;
int slow_one = -1;

void open_gates(const std::string& path, const event& first, const event& second, int slow) {
  witness::open(path);
  entrance = first;
  middle = second;
  slow_one = slow;
}

void wait_at_entrance() { entrance->wait(); }

int twice(int x) { return 2 * x; }
std::string shout(const std::string& text) { return text + "!"; }

std::uint64_t own_number(int) { return this_task::id(); }

int mixed(int x) {
  witness::start(static_cast<std::size_t>(x));
  if (x % 97 == 3)
    throw std::invalid_argument("task " + std::to_string(x));
  if (x % 1001 == 700)
    std::abort();
  witness::end(static_cast<std::size_t>(x));
  return 2 * x;
}

int marked(int x) {
  witness::start(static_cast<std::size_t>(x));
  if (x == slow_one)
    middle->wait();
  witness::end(static_cast<std::size_t>(x));
  return x;
}

std::string of_length(int x) {
  return std::string(x % 300 == 150 ? std::size_t{3} << 20 : std::size_t{5}, 'x');
}

/// The pool learns that these tasks are short.
template <class F>
void show(pool& p, F f, int number) {
  for (int i = 0; i < 64; ++i)
    p.apply(f, number);
}

template <class T>
void await_all(const std::vector<future<T>>& all) {
  for (const auto& f : all)
    REQUIRE(f.wait(120s));
}

/// A pool of one worker whose entrance is closed, and what it has been given meanwhile.
struct held {
  witness seen{1001};
  event first;
  event second;
  history h;
  pool p;
  future<void> blocker;
  std::vector<future<int>> all;

  explicit held(int slow, std::size_t workers = 1)
    : p{{.workers = workers,
         .initializer = call(&open_gates, seen.path(), first, second, slow),
         .grace = 100ms}} {
    show(p, marked, 1000);
    seen.forget();
    for (std::size_t i = 0; i < workers; ++i)
      blocker = p.submit(wait_at_entrance);
    for (int i = 0; i < 1000; ++i) {
      h.submitted(static_cast<std::size_t>(i));
      all.push_back(p.submit(marked, i));
    }
  }
  void check() {
    REQUIRE(blocker.wait(120s));
    await_all(all);
    for (std::size_t i = 0; i < all.size(); ++i)
      h.ended(i, all[i].outcome());
    CHECK(h.violations(seen) == "");
    const auto s = p.stats();
    CHECK(s.submitted == s.succeeded + s.failed + s.cancelled);
  }
};

} // namespace

TEST_CASE("short tasks gather as far as their time goes, long and unknown ones do not") {
  runtime::gathering g;
  const detail::called f{{1, 2}, {}};
  const detail::called other{{1, 3}, {}};
  CHECK(g.most(f) == 1);
  g.learn(f, 100ns);
  CHECK(g.most(f) == runtime::gathering::most_items);
  CHECK(g.most(other) == 1);
  CHECK(g.ahead() == runtime::gathering::most_ahead);
  std::mt19937_64 random{20261129};
  for (int i = 0; i < 100'000; ++i) {
    const std::chrono::nanoseconds ran{1 + static_cast<std::int64_t>(random() % 40'000)};
    g.learn(other, ran);
    for (int again = 0; again < 40; ++again)
      g.learn(f, ran);
    const auto most = g.most(f);
    if (ran > 2 * runtime::gathering::longest_task)
      REQUIRE(most == 1);
    REQUIRE(most * ran <= 2 * runtime::gathering::longest_unit);
    REQUIRE(g.ahead() >= runtime::gathering::least_ahead);
  }
  g.learn(f, 10s);
  CHECK(g.most(f) == 1);
}

TEST_CASE("tasks that travel together keep their values, types and numbers") {
  const leak_guard guard;
  pool p{{.workers = 2}};
  show(p, twice, 1);
  std::vector<future<int>> numbers;
  for (int i = 0; i < 30'000; ++i)
    numbers.push_back(p.submit(twice, i));
  for (int i = 0; i < 30'000; ++i)
    REQUIRE(numbers[static_cast<std::size_t>(i)].get(120s) == 2 * i);
  for (int i = 0; i < 64; ++i)
    p.apply(shout, std::string("x"));
  std::vector<future<std::string>> texts;
  for (std::size_t i = 0; i < 20'000; ++i)
    texts.push_back(p.submit(shout, std::string(i % 50, 'a')));
  for (std::size_t i = 0; i < 20'000; ++i)
    REQUIRE(texts[i].get(120s) == std::string(i % 50, 'a') + "!");
  show(p, own_number, 1);
  std::vector<future<std::uint64_t>> ids;
  for (int i = 0; i < 20'000; ++i)
    ids.push_back(p.submit(own_number, i));
  for (const auto& f : ids)
    REQUIRE(f.get(120s) == f.id());
  for (int i = 0; i < 64; ++i)
    p.apply(of_length, 1);
  std::vector<future<std::string>> sizes;
  for (int i = 0; i < 600; ++i)
    sizes.push_back(p.submit(of_length, i));
  for (int i = 0; i < 600; ++i)
    REQUIRE(sizes[static_cast<std::size_t>(i)].get(120s) == of_length(i));
  CHECK(p.stats().succeeded == p.stats().submitted);
}

TEST_CASE("lambdas travel together with what each has captured") {
  const leak_guard guard;
  pool p{{.workers = 2}};
  std::vector<future<std::string>> all;
  const auto submit = [&](int i) {
    std::array<int, 3> own{i, 2 * i, 3 * i};
    all.push_back(p.submit(
      [own, i](const std::string& more) {
        if (i % 97 == 3)
          throw std::invalid_argument("task " + std::to_string(i));
        if (i == 4000)
          std::abort();
        return std::to_string(own[2]) + more;
      },
      std::to_string(i)));
  };
  for (int i = 0; i < 8000; ++i)
    submit(i);
  await_all(all);
  for (std::size_t i = 0; i < all.size(); ++i) {
    CAPTURE(i);
    if (i % 97 == 3)
      CHECK(all[i].outcome().failure().message == "task " + std::to_string(i));
    else if (i == 4000)
      CHECK(all[i].outcome().failure().kind == failure_kind::worker_died);
    else
      CHECK(all[i].get() == std::to_string(3 * i) + std::to_string(i));
  }
}

TEST_CASE("one that throws or dies ends alone") {
  const leak_guard guard;
  constexpr int tasks = 6000;
  const witness seen{tasks};
  history h;
  pool p{{.workers = 2, .initializer = call(&witness::open, seen.path())}};
  show(p, mixed, 1);
  std::vector<future<int>> all;
  for (int i = 2; i < tasks; ++i) {
    h.submitted(static_cast<std::size_t>(i));
    all.push_back(p.submit(mixed, i));
  }
  await_all(all);
  for (int i = 2; i < tasks; ++i) {
    const auto& o = all[static_cast<std::size_t>(i - 2)].outcome();
    h.ended(static_cast<std::size_t>(i), o);
    if (i % 97 == 3) {
      REQUIRE(!o.has_value());
      CHECK(o.failure().message == "task " + std::to_string(i));
    } else if (i % 1001 == 700) {
      REQUIRE(!o.has_value());
      CHECK(o.failure().kind == failure_kind::worker_died);
      CHECK(o.failure().exit.signal == SIGABRT);
    } else
      REQUIRE(o.value() == 2 * i);
  }
  CHECK(h.violations(seen) == "");
  CHECK(p.stats().restarts == 6);
}

TEST_CASE("a result does not wait for a neighbour that blocks") {
  held t{500};
  t.first.set();
  // Whoever gets the value of the one before lets the slow one go.
  CHECK(t.all[499].get(120s) == 499);
  CHECK(!t.all[500].wait(0s));
  t.second.set();
  t.check();
  CHECK(t.h.values() == 1000);
}

TEST_CASE("what is cancelled before it begins never runs, and its neighbours do") {
  held t{-1};
  std::vector<std::size_t> gone;
  for (std::size_t i = 0; i < 1000; ++i)
    if (i % 3 == 0 || (i > 600 && i < 650))
      if (t.all[i].cancel())
        gone.push_back(i);
  CHECK(gone.size() > 300); // all of them: none can have begun
  t.first.set();
  t.check();
  CHECK(t.h.values() == 1000 - gone.size());
  for (const auto i : gone)
    CHECK(t.seen.starts(i) == 0);
}

TEST_CASE("cancelling the one that runs ends it and its worker, and no neighbour") {
  held t{500};
  t.first.set();
  CHECK(t.all[499].get(120s) == 499);
  while (t.seen.starts(500) == 0)
    std::this_thread::yield();
  CHECK(t.all[500].running());
  CHECK(!t.all[501].running());
  CHECK(!t.all[500].cancel());
  CHECK(!t.all[500].cancel(true));
  REQUIRE(t.all[500].wait(120s));
  CHECK(t.all[500].outcome().failure().kind == failure_kind::cancelled);
  t.second.set();
  t.check();
  CHECK(t.h.values() == 999);
  CHECK(t.p.stats().restarts == 1);
}

TEST_CASE("what waits together ends with the pool") {
  held t{-1};
  SUBCASE("cancelled alone") { t.p.shutdown({.wait = false, .cancel_pending = true}); }
  SUBCASE("terminated") { t.p.terminate(); }
  t.first.set();
  t.check();
  CHECK(t.h.count(failure_kind::cancelled) + t.h.values() == 1000);
}

TEST_CASE("cancels beside deaths: one outcome each") {
  const leak_guard guard;
  constexpr int tasks = 6000;
  const witness seen{tasks};
  history h;
  pool p{{.workers = 2, .initializer = call(&witness::open, seen.path()), .grace = 10ms}};
  show(p, mixed, 1);
  std::mt19937_64 random{7};
  std::vector<future<int>> all;
  for (int i = 2; i < tasks; ++i) {
    h.submitted(static_cast<std::size_t>(i));
    all.push_back(p.submit(mixed, i));
    if (random() % 5 == 0)
      all[random() % all.size()].cancel(random() % 4 == 0);
    if (random() % 20 == 0)
      all[all.size() - 1 - random() % std::min<std::size_t>(all.size(), 200)].cancel();
  }
  await_all(all);
  for (int i = 2; i < tasks; ++i)
    h.ended(static_cast<std::size_t>(i), all[static_cast<std::size_t>(i - 2)].outcome());
  CHECK(h.violations(seen) == "");
  const auto s = p.stats();
  CHECK(s.submitted == s.succeeded + s.failed + s.cancelled);
}
