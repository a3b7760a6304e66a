#include <bulkhead/tasks.hpp>

#include <doctest/doctest.h>

#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <numeric>
#include <set>
#include <string>
#include <thread>
#include <vector>

using namespace std::chrono_literals;
using bulkhead::pool;

namespace {

int square(int x) { return x * x; }
int add(int a, int b) { return a + b; }
pid_t my_pid() { return ::getpid(); }

void spin_for(std::chrono::milliseconds time) {
  const auto end = std::chrono::steady_clock::now() + time;
  while (std::chrono::steady_clock::now() < end) {
  }
}

} // namespace

TEST_CASE("a submitted task runs in another process and its value comes back") {
  pool p{{.workers = 2}};
  CHECK(p.submit(square, 20).get() == 400);
  CHECK(p.apply(my_pid) != ::getpid());
  const auto workers = p.workers();
  CHECK(workers.size() == 2);
  for (const auto& w : workers)
    CHECK(w.pid > 0);
}

TEST_CASE("map keeps the order of its input") {
  pool p{{.workers = 2}};
  CHECK(p.map(square, {1, 2, 3, 4, 5}) == std::vector<int>{1, 4, 9, 16, 25});
  std::vector<int> many(100'000);
  std::iota(many.begin(), many.end(), 0);
  const auto doubled = p.map([](int x) { return 2 * x; }, many);
  REQUIRE(doubled.size() == many.size());
  for (int i = 0; i < 100'000; ++i)
    REQUIRE(doubled[static_cast<std::size_t>(i)] == 2 * i);
}

TEST_CASE("map of nothing is nothing") {
  pool p{{.workers = 2}};
  CHECK(p.map(square, std::vector<int>{}).empty());
}

TEST_CASE("starmap spreads tuples over the parameters") {
  pool p{{.workers = 2}};
  CHECK(p.starmap(add, {std::pair{1, 2}, std::pair{3, 4}}) == std::vector<int>{3, 7});
  CHECK(p.starmap_async(add, std::vector{std::tuple{5, 6}}).get() == std::vector<int>{11});
}

TEST_CASE("imap delivers in order, imap_unordered delivers all") {
  pool p{{.workers = 2}};
  std::vector<int> in_order;
  for (auto x : p.imap(square, std::vector{1, 2, 3, 4}))
    in_order.push_back(x);
  CHECK(in_order == std::vector{1, 4, 9, 16});
  std::multiset<int> all;
  for (auto x : p.imap_unordered(square, {1, 2, 3, 4}))
    all.insert(x);
  CHECK(all == std::multiset{1, 4, 9, 16});
}

TEST_CASE("imap of an endless input reads only so far ahead") {
  pool p{{.workers = 2}};
  int read = 0;
  auto naturals = std::views::iota(0) | std::views::transform([&read](int i) {
                    ++read;
                    return i;
                  });
  int taken = 0;
  {
    auto results = p.imap(square, naturals, {.buffersize = 100});
    for (auto x : results) {
      CHECK(x == taken * taken);
      if (++taken == 50)
        break;
    }
  }
  CHECK(read <= 50 + 100 + 1);
}

TEST_CASE("an exception of the task arrives with its type and text") {
  pool p{{.workers = 1}};
  auto f = p.submit([](int x) -> int { throw std::out_of_range("no " + std::to_string(x)); }, 7);
  try {
    f.get();
    FAIL("no exception");
  } catch (const bulkhead::task_error& e) {
    CHECK(e.info().type == "std::out_of_range");
    CHECK(e.info().message == "no 7");
    CHECK(e.info().may_have_executed);
  }
  CHECK(p.apply(square, 3) == 9);
}

TEST_CASE("try_map has one outcome an item") {
  pool p{{.workers = 2}};
  const auto all = p.try_map(
    [](int x) {
      if (x == 3)
        throw std::runtime_error("three");
      return x;
    },
    {1, 2, 3, 4});
  REQUIRE(all.size() == 4);
  CHECK(all[0].value() == 1);
  CHECK(!all[2].has_value());
  CHECK(all[2].failure().kind == bulkhead::failure_kind::task_exception);
  CHECK(all[3].value() == 4);
}

TEST_CASE("the wait of get may end first, and the future stays usable") {
  pool p{{.workers = 1}};
  auto f = p.submit([] {
    spin_for(300ms);
    return 1;
  });
  CHECK_THROWS_AS(f.get(1ms), bulkhead::timeout_error);
  CHECK(f.get() == 1);
}

TEST_CASE("a killed worker costs the task it ran, and the pool keeps its size") {
  pool p{{.workers = 2}};
  std::vector<bulkhead::future<int>> others;
  auto victim = p.submit([]() -> int {
    ::kill(::getpid(), SIGKILL);
    return 0;
  });
  for (int i = 0; i < 200; ++i)
    others.push_back(p.submit(square, i));
  try {
    victim.get();
    FAIL("no exception");
  } catch (const bulkhead::worker_died& e) {
    CHECK(e.info().exit.signal == SIGKILL);
    CHECK(e.info().exit.cause == bulkhead::exit_cause::killed);
    CHECK(e.info().may_have_executed);
    CHECK(e.info().worker > 0);
  }
  for (int i = 0; i < 200; ++i)
    CHECK(others[static_cast<std::size_t>(i)].get() == i * i);
  CHECK(p.apply(square, 5) == 25);
  CHECK(p.stats().restarts == 1);
}

TEST_CASE("a task past its hard limit is killed, and only its worker") {
  pool p{{.workers = 2}};
  auto f = p.with({.timeout = 50ms}).submit([] {
    for (;;) {
    }
  });
  try {
    f.get(30s);
    FAIL("no exception");
  } catch (const bulkhead::timeout_error& e) {
    CHECK(f.ready());
    CHECK(e.info().exit.cause == bulkhead::exit_cause::timed_out);
  }
  CHECK(p.apply(square, 2) == 4);
}

TEST_CASE("a queued task that is cancelled never runs") {
  pool p{{.workers = 1}};
  auto busy = p.submit([] { spin_for(200ms); });
  auto queued = p.submit(square, 2);
  CHECK(queued.cancel());
  CHECK_THROWS_AS(queued.get(), bulkhead::cancelled_error);
  busy.get();
}

TEST_CASE("a running task is cancelled by killing its worker after the grace") {
  pool p{{.workers = 1, .grace = 50ms}};
  auto endless = p.submit([] {
    for (;;) {
    }
  });
  while (p.workers()[0].state != bulkhead::worker_state::busy)
    std::this_thread::yield();
  endless.cancel(true);
  CHECK_THROWS_AS(endless.get(30s), bulkhead::cancelled_error);
  CHECK(p.apply(square, 2) == 4);
}

TEST_CASE("max_tasks_per_worker is exact") {
  pool p{{.workers = 2, .max_tasks_per_worker = 3}};
  std::vector<bulkhead::future<pid_t>> pids;
  for (int i = 0; i < 60; ++i)
    pids.push_back(p.submit(my_pid));
  std::map<pid_t, int> tasks;
  for (auto& f : pids)
    ++tasks[f.get()];
  for (const auto& [pid, count] : tasks)
    CHECK(count <= 3);
}

TEST_CASE("large arguments and results travel") {
  pool p{{.workers = 2}};
  std::vector<double> big(3'000'000);
  std::iota(big.begin(), big.end(), 0.0);
  for (int i = 0; i < 3; ++i) {
    const auto back = p.apply(
      [](std::vector<double> v) {
        for (auto& x : v)
          x += 1;
        return v;
      },
      big);
    REQUIRE(back.size() == big.size());
    CHECK(back.front() == 1.0);
    CHECK(back.back() == big.back() + 1);
  }
}

TEST_CASE("close lets pending tasks finish, then refuses") {
  pool p{{.workers = 2}};
  auto f = p.submit(square, 9);
  p.close();
  CHECK_THROWS_AS(p.submit(square, 1), bulkhead::pool_closed);
  p.join();
  CHECK(f.get() == 81);
  CHECK(p.workers().empty());
}

TEST_CASE("terminate ends everything as cancelled") {
  pool p{{.workers = 2}};
  std::vector<bulkhead::future<void>> all;
  for (int i = 0; i < 10; ++i)
    all.push_back(p.submit([] {
      for (;;) {
      }
    }));
  p.terminate();
  for (auto& f : all)
    CHECK_THROWS_AS(f.get(), bulkhead::cancelled_error);
}

TEST_CASE("a future outlives its pool") {
  bulkhead::future<int> f;
  CHECK_THROWS_AS(f.get(), bulkhead::config_error);
  {
    pool p{{.workers = 1}};
    f = p.submit(square, 6);
    f.wait();
  }
  CHECK(f.get() == 36);
  CHECK(f.successful());
}

TEST_CASE("a retried task gets as many attempts as it was given") {
  pool p{{.workers = 1}};
  const auto attempt = p.with({.retries = 2}).apply([] {
    if (bulkhead::this_task::attempt() < 3)
      ::kill(::getpid(), SIGKILL);
    return bulkhead::this_task::attempt();
  });
  CHECK(attempt == 3);
  CHECK(p.stats().retried == 2);
}

TEST_CASE("a task that waits for a later one does not deadlock a pool of two") {
  pool p{{.workers = 2}};
  int ends[2] = {-1, -1};
  REQUIRE(::pipe(ends) == 0);
  ::close(ends[0]);
  ::close(ends[1]);
  const std::string path = "/tmp/bulkhead-deadlock-" + std::to_string(::getpid());
  std::vector<bulkhead::future<int>> waiters;
  for (int i = 0; i < 2; ++i)
    waiters.push_back(p.submit(
      [](const std::string& file, int n) {
        const auto mine = file + std::to_string(n);
        while (::access(mine.c_str(), F_OK) != 0)
          std::this_thread::yield();
        ::unlink(mine.c_str());
        return n;
      },
      path, i == 0 ? 1 : 0));
  // the second waits for nothing that is submitted later: it frees the way for the last
  auto opener = p.submit(
    [](const std::string& file) {
      for (int n = 0; n < 2; ++n)
        ::fclose(::fopen((file + std::to_string(n)).c_str(), "w"));
    },
    path);
  // Both workers wait for the opener: only if it is not behind one of them can it run. With both
  // workers busy it must wait, so free one of them from outside.
  ::fclose(::fopen((path + "0").c_str(), "w"));
  opener.get(30s);
  CHECK(waiters[0].get(30s) == 1);
  CHECK(waiters[1].get(30s) == 0);
  ::unlink((path + "0").c_str());
}

TEST_CASE("co_await, on_ready, wait_any and as_completed see outcomes") {
  pool p{{.workers = 2}};
  std::vector<bulkhead::future<int>> all;
  for (int i = 0; i < 8; ++i)
    all.push_back(p.submit(square, i));
  CHECK(bulkhead::wait_all(all, 30s));
  CHECK(bulkhead::wait_any(all, 1s).has_value());
  int sum = 0;
  for (auto f : bulkhead::as_completed(all))
    sum += f.get();
  CHECK(sum == 140);
  std::atomic<int> seen{0};
  p.submit(square, 3).on_ready([&](const bulkhead::outcome<int>& o) { seen = o.value(); });
  while (seen != 9)
    std::this_thread::yield();
}

TEST_CASE("broadcast runs once in every worker") {
  pool p{{.workers = 3}};
  auto pids = p.broadcast(my_pid);
  std::sort(pids.begin(), pids.end());
  CHECK(pids.size() == 3);
  CHECK(std::unique(pids.begin(), pids.end()) == pids.end());
}

TEST_CASE("the initializer runs before the first task, its failure breaks the pool") {
  pool good{{.workers = 1, .initializer = [] { ::setenv("BULKHEAD_TEST", "yes", 1); }}};
  CHECK(good.apply([] { return std::string(::getenv("BULKHEAD_TEST")); }) == "yes");
  pool bad{{.workers = 1, .initializer = [] { throw std::runtime_error("no licence"); }}};
  try {
    bad.apply(square, 1);
    FAIL("no exception");
  } catch (const bulkhead::pool_broken& e) {
    CHECK(std::string(e.what()).find("no licence") != std::string::npos);
  }
}
