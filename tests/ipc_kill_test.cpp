// ctest-label: fault
// ctest-timeout: 180
// Processes that are killed at every named step of what lies in shared memory, and at random.
// BULKHEAD_TEST_ROUNDS multiplies the kills.
#include <doctest/doctest.h>

#if defined(BULKHEAD_HOOKS) && BULKHEAD_HOOKS

#  include "tests/support/leak_guard.hpp"

#  include <bulkhead/ipc.hpp>
#  include <bulkhead/pool.hpp>
#  include <bulkhead/process.hpp>
#  include <bulkhead/testing/hooks.hpp>

#  include <algorithm>
#  include <chrono>
#  include <csignal>
#  include <cstdlib>
#  include <functional>
#  include <mutex>
#  include <random>
#  include <span>
#  include <string>
#  include <string_view>
#  include <thread>
#  include <vector>

using namespace std::chrono_literals;
using bulkhead::testing::hook_action;

namespace {

constexpr auto long_enough = 60s; // a watchdog, not a measure

void arm(std::string point) { bulkhead::testing::arm_hook(point, 1, hook_action::kill); }

/// Runs it in a process, armed; whether it was killed there.
template <class F, class... Args>
bool dies(std::string_view point, F f, const Args&... args) {
  bulkhead::process child(f, std::string(point), args...);
  child.start();
  child.join();
  const auto code = child.exit_code();
  REQUIRE((code == 0 || code == -SIGKILL));
  return code == -SIGKILL;
}

int rounds(int usual) {
  const char* given = std::getenv("BULKHEAD_TEST_ROUNDS");
  return given == nullptr ? usual : usual * std::atoi(given);
}

/// For operations that wait for what never comes.
std::chrono::milliseconds a_while() { return rounds(1) == 1 ? 30ms : 2ms; }

/// The named steps, each as often as there are rounds.
std::vector<std::string_view> steps(std::span<const std::string_view> named) {
  std::vector<std::string_view> all;
  for (int i = 0; i < rounds(1); ++i)
    all.insert(all.end(), named.begin(), named.end());
  return all;
}

std::vector<std::string_view> all_steps() { return steps(bulkhead::testing::ipc_hooks()); }

constexpr std::string_view of_mutex[] = {"ipc.mutex_locked", "ipc.mutex_unlocking"};

void use_queue(std::string point, bulkhead::queue<std::string> q) {
  arm(point);
  q.put("3");
  q.get();
  q.put(std::string(5'000'000, '4')); // its ring is given back once it is empty
  q.task_done();
  bulkhead::queue<std::string> none;
  while (q.try_get()) {
  }
  q.get(a_while());
  q.put("5");
}

void use_semaphore(std::string point, bulkhead::semaphore s) {
  arm(point);
  s.acquire();
  s.release();
  s.acquire();
  s.try_acquire_for(a_while());
  s.release();
}

void use_event(std::string point, bulkhead::event e) {
  arm(point);
  e.wait(a_while());
  e.set();
}

void use_latch(std::string point, bulkhead::latch l) {
  arm(point);
  l.wait(a_while());
  l.count_down();
}

void use_barrier(std::string point, bulkhead::barrier b) {
  arm(point);
  try {
    b.wait(long_enough);
  } catch (const bulkhead::broken_barrier&) {
  }
}

void use_condition(std::string point, bulkhead::mutex m, bulkhead::condition c) {
  arm(point);
  std::unique_lock lock{m};
  c.wait_for(lock, a_while());
  c.notify_one();
}

void use_value(std::string point, bulkhead::shared_value<int> v) {
  arm(point);
  v.fetch_add(1);
  v.fetch_add(1);
}

void produce(bulkhead::queue<int> q, int first) {
  for (int i = first;; ++i)
    q.put(i);
}

void consume(bulkhead::queue<int> q, bulkhead::shared_array<int> seen) {
  for (;;) {
    const auto i = static_cast<std::size_t>(q.get());
    if (i < seen.size())
      __atomic_fetch_add(&seen[i], 1, __ATOMIC_RELAXED);
  }
}

} // namespace

TEST_CASE("a process killed at any step of a queue loses and doubles nothing committed") {
  bulkhead::tests::leak_guard guard;
  int deaths = 0;
  for (const auto point : all_steps()) {
    CAPTURE(point);
    bulkhead::queue<std::string> q;
    for (const auto* text : {"0", "1", "2"})
      q.put(text);
    const bool died = dies(point, use_queue, q);
    deaths += died ? 1 : 0;
    q.put("9");
    std::string got;
    while (const auto item = q.try_get())
      got += item->substr(0, 1);
    CHECK(std::ranges::is_sorted(got));
    CHECK(std::ranges::adjacent_find(got) == got.end());
    CHECK(got.back() == '9');
    if (died && got.front() <= '1') // it died before it took more than one: the rest is there
      CHECK(got.find("12") != std::string::npos);
  }
  CHECK(deaths >= rounds(9));
}

TEST_CASE("the death of a waiter or releaser takes no place of a semaphore") {
  bulkhead::tests::leak_guard guard;
  int deaths = 0;
  for (const auto point : all_steps()) {
    CAPTURE(point);
    bulkhead::semaphore s(1);
    deaths += dies(point, use_semaphore, s) ? 1 : 0;
    const auto there = s.value(); // 0 where it died between its acquire and its release
    CHECK(there <= 1);
    s.release();
    CHECK(s.try_acquire_for(long_enough));
    CHECK(s.value() == there);
  }
  CHECK(deaths >= rounds(6));
}

TEST_CASE("others go on where one dies at an event, a latch or a condition") {
  bulkhead::tests::leak_guard guard;
  for (const auto point : all_steps()) {
    CAPTURE(point);
    bulkhead::event e;
    bulkhead::latch l(2);
    bulkhead::mutex m;
    bulkhead::condition c;
    std::jthread waiting{[&] {
      CHECK(e.wait(long_enough));
      CHECK(l.wait(long_enough));
    }};
    dies(point, use_event, e);
    dies(point, use_latch, l);
    e.set();
    while (!l.try_wait()) // the other party, and the dead one where it had not committed
      l.count_down();
    dies(point, use_condition, m, c);
    bool told = false;
    std::jthread teller{[&] {
      std::unique_lock lock{m};
      if (m.previous_owner_died())
        m.mark_consistent();
      told = true;
      c.notify_one();
    }};
    std::unique_lock lock{m};
    if (m.previous_owner_died())
      m.mark_consistent();
    CHECK(c.wait_for(lock, long_enough, [&] { return told; }));
  }
}

TEST_CASE("a party that dies while it waits breaks the barrier for the others") {
  bulkhead::tests::leak_guard guard;
  static constexpr std::string_view named[] = {"ipc.barrier_seated", "ipc.before_sleep",
                                               "ipc.sleeping",       "ipc.slept",
                                               "ipc.locked",         "ipc.unlocking"};
  for (const auto point : steps(named)) {
    CAPTURE(point);
    bulkhead::barrier b(3);
    std::jthread other{[&] {
      // It breaks by the death, or, where that came before its arrival, by the abort.
      CHECK_THROWS_AS(b.wait(long_enough), bulkhead::broken_barrier);
    }};
    while (b.waiting() == 0)
      std::this_thread::yield();
    bulkhead::process child(use_barrier, std::string(point), b);
    child.start();
    if (point == "ipc.slept" || point == "ipc.unlocking") // only there once somebody wakes it
      child.join(a_while());
    if (point == "ipc.locked" || point == "ipc.barrier_seated" || point == "ipc.unlocking") {
      child.join(rounds(1) == 1 ? 1000ms : 20ms);
      b.abort();
    }
    child.join();
    other.join();
    b.reset();
    std::jthread second{[&] { CHECK(b.wait(long_enough) <= 2); }};
    std::jthread third{[&] { CHECK(b.wait(long_enough) <= 2); }};
    CHECK(b.wait(long_enough) <= 2);
  }
}

TEST_CASE("whoever locks after a dead holder is told and may repair or give up") {
  bulkhead::tests::leak_guard guard;
  const auto hold = [](std::string point, bulkhead::mutex m, bulkhead::recursive_mutex r) {
    arm(point);
    r.lock();
    m.lock();
    m.unlock();
    r.unlock();
  };
  for (const auto point : steps(of_mutex)) {
    bulkhead::mutex m;
    bulkhead::recursive_mutex r;
    CHECK(dies(point, hold, m, r));
    {
      const std::scoped_lock lock{r};
      CHECK(r.previous_owner_died());
      r.mark_consistent();
      CHECK_FALSE(r.previous_owner_died());
    }
    {
      const std::scoped_lock lock{r};
      CHECK_FALSE(r.previous_owner_died());
    }
    CHECK_FALSE(m.previous_owner_died());
  }
  bulkhead::mutex m;
  const auto die_with = [](bulkhead::mutex held) {
    held.lock();
    ::kill(::getpid(), SIGKILL);
  };
  bulkhead::process child(die_with, m);
  child.start();
  child.join();
  CHECK(m.try_lock_for(long_enough));
  CHECK(m.previous_owner_died());
  m.unlock(); // without repair
  CHECK_THROWS_WITH_AS(m.lock(), doctest::Contains("was given up"), bulkhead::owner_died);
  CHECK_THROWS_AS(m.try_lock(), bulkhead::owner_died);
}

TEST_CASE("a shared value is never half changed by a process that dies") {
  bulkhead::tests::leak_guard guard;
  for (const auto point : steps(of_mutex)) {
    bulkhead::shared_value<int> v(10);
    CHECK(dies(point, use_value, v));
    const auto after = v.load();
    CHECK((after == 10 || after == 11));
    CHECK(v.fetch_add(1) == after);
  }
}

TEST_CASE("producers and consumers killed at random leave the queue usable and nothing doubled") {
  bulkhead::tests::leak_guard guard;
  std::minstd_rand random{4711};
  constexpr int span = 1'000'000; // items of one producer
  for (int round = 0; round < rounds(8); ++round) {
    bulkhead::queue<int> q(round % 2 == 0 ? 0 : 7);
    bulkhead::shared_array<int> seen(2 * span);
    std::vector<bulkhead::process> all;
    all.emplace_back(produce, q, 0);
    all.emplace_back(produce, q, span);
    all.emplace_back(consume, q, seen);
    all.emplace_back(consume, q, seen);
    for (auto& each : all)
      each.start();
    std::ranges::shuffle(all, random);
    for (auto& each : all) {
      const auto until =
        std::chrono::steady_clock::now() + std::chrono::microseconds(random() % 8000);
      while (std::chrono::steady_clock::now() < until)
        std::this_thread::yield();
      each.kill();
      each.join();
    }
    while (const auto i = q.try_get())
      ++seen[static_cast<std::size_t>(*i)];
    CHECK(q.put(1, long_enough));
    CHECK(q.get() == 1);
    int missing = 0;
    for (const int first : {0, span}) {
      const auto items = seen.span().subspan(static_cast<std::size_t>(first), span);
      const auto last = std::find_if(items.rbegin(), items.rend(), [](int n) { return n != 0; });
      const auto put = static_cast<std::size_t>(items.rend() - last);
      for (std::size_t i = 0; i < put; ++i) {
        CHECK(items[i] <= 1);
        missing += items[i] == 0 ? 1 : 0;
      }
    }
    CHECK(missing <= 2); // each consumer may have died with what it had taken
    CHECK_FALSE(q.try_get());
  }
}

#endif
