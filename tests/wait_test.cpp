// ctest-timeout: 120
// wait() for queues and events, which have no descriptor: it sleeps until one of them is ready.
#include "tests/support/leak_guard.hpp"

#include <bulkhead/ipc.hpp>
#include <bulkhead/pool.hpp>
#include <bulkhead/process.hpp>
#include <bulkhead/wait.hpp>

#include <doctest/doctest.h>

#include <sys/resource.h>

#include <chrono>
#include <csignal>
#include <cstddef>
#include <thread>
#include <vector>

using namespace bulkhead;
using namespace std::chrono_literals;
using indices = std::vector<std::size_t>;

namespace {

constexpr auto long_enough = 60s; // a watchdog, not a measure

/// How often this thread has gone to sleep.
long sleeps() {
  rusage used{};
  ::getrusage(RUSAGE_THREAD, &used);
  return used.ru_nvcsw;
}

void wait_for_ever(event begun, queue<int> items, event alarm, connection<int> line) {
  begun.set();
  wait({items, alarm, line}, wait_for::any);
}

void echo_through(queue<int> jobs, event over, queue<int> results) {
  for (;;) {
    const auto ready = wait({jobs, over}, wait_for::any).done;
    if (const auto job = jobs.try_get())
      results.put(*job);
    else if (ready.back() == 1)
      return;
  }
}

} // namespace

TEST_CASE("a wait for queues and events goes to sleep once, and not each millisecond") {
  const tests::leak_guard guard;
  const queue<int> items;
  const event alarm;
  auto [near, far] = make_pipe<int>();
  const auto before = sleeps();
  CHECK(wait({items, alarm}, wait_for::any, 300ms).done.empty());
  CHECK(wait({items, alarm, near}, wait_for::any, 300ms).done.empty());
  CHECK(sleeps() - before < 60); // looks each millisecond would be 600
}

TEST_CASE("whatever makes a queue or an event ready wakes who waits for it, alone or in company") {
  const tests::leak_guard guard;
  auto [near, far] = make_pipe<int>();
  for (const bool in_company : {false, true}) {
    queue<int> items;
    queue<int> closed;
    event alarm;
    const auto any = [&] {
      return in_company ? wait({items, closed, alarm, near}, wait_for::any, long_enough).done
                        : wait({items, closed, alarm}, wait_for::any, long_enough).done;
    };
    const auto after = [&](auto change) {
      std::jthread later{[change] {
        std::this_thread::sleep_for(20ms); // most often behind the beginning of the wait
        change();
      }};
      return any();
    };
    CHECK(after([&] { items.put(1); }) == indices{0});
    items.get();
    CHECK(after([&] { alarm.set(); }) == indices{2});
    alarm.clear();
    CHECK(after([&] { closed.close(); }) == indices{1});
  }
}

TEST_CASE("two that wait for one another's queues miss nothing") {
  const tests::leak_guard guard;
  queue<int> jobs;
  queue<int> results;
  event over;
  process worker(echo_through, jobs, over, results);
  worker.start();
  for (int i = 0; i < 3000; ++i) {
    jobs.put(i);
    REQUIRE(wait({results, worker}, wait_for::any, long_enough).done == indices{0});
    REQUIRE(results.try_get() == i);
  }
  over.set();
  worker.join();
  CHECK(worker.exit_code() == 0);
}

TEST_CASE("who is killed while it waits costs the others nothing") {
  const tests::leak_guard guard;
  queue<int> items;
  event alarm;
  auto [near, far] = make_pipe<int>();
  for (int i = 0; i < 20; ++i) {
    event begun;
    process waiter(wait_for_ever, begun, items, alarm, near);
    waiter.start();
    begun.wait();
    std::this_thread::sleep_for(std::chrono::microseconds(100 * i)); // somewhere within its wait
    waiter.kill();
    waiter.join();
    items.put(i);
    REQUIRE(items.get(long_enough) == i);
    alarm.set();
    REQUIRE(alarm.wait(long_enough));
    alarm.clear();
  }
  CHECK(wait({items, alarm}, wait_for::any, 0s).done.empty());
}

TEST_CASE("more objects than one system call takes are waited for") {
  const tests::leak_guard guard;
  std::vector<event> many(150);
  std::jthread later{[&] {
    std::this_thread::sleep_for(20ms);
    many.back().set();
  }};
  CHECK(wait(many, wait_for::any, long_enough).done == indices{149});
}
