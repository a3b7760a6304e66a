// ctest-timeout: 120
// What lies in shared memory and travels: memory, values, locks, and what waits.
#include "tests/support/leak_guard.hpp"

#include <bulkhead/ipc.hpp>
#include <bulkhead/pool.hpp>
#include <bulkhead/process.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <mutex>
#include <numeric>
#include <thread>
#include <utility>
#include <vector>

using namespace std::chrono_literals;
using bulkhead::start_method;

namespace {

constexpr auto long_enough = 60s; // a watchdog, not a measure
constexpr std::array methods{start_method::forkserver, start_method::spawn, start_method::thread};

struct money {
  std::int64_t here = 1000;
  std::int64_t there = 0;
};

void add_often(bulkhead::shared_array<int> numbers, int times) {
  for (int i = 0; i < times; ++i) {
    const std::scoped_lock lock{numbers.mutex()};
    for (auto& each : numbers)
      ++each;
  }
}

void count_often(bulkhead::shared_value<long> number, int times) {
  for (int i = 0; i < times; ++i)
    number.fetch_add(1);
}

std::size_t meet(bulkhead::barrier b, int rounds) {
  std::size_t first = 0;
  for (int i = 0; i < rounds; ++i)
    first += b.wait(long_enough) == 0 ? 1 : 0;
  return first;
}

struct bounded_box {
  bulkhead::mutex lock;
  bulkhead::condition changed;

  template <class Inspector>
  friend auto inspect(Inspector& f, bounded_box& x) {
    return f(x.lock, x.changed);
  }
};

long drain(bounded_box box, bulkhead::shared_array<long> cell, int count) {
  long sum = 0;
  for (int i = 0; i < count; ++i) {
    std::unique_lock lock{box.lock};
    box.changed.wait(lock, [&] { return cell[0] != 0; });
    sum += std::exchange(cell[0], 0);
    box.changed.notify_all();
  }
  return sum;
}

} // namespace

TEST_CASE("what a task writes to shared memory is read where it was made") {
  bulkhead::tests::leak_guard guard;
  for (const auto method : methods) {
    bulkhead::pool pool({.workers = 2, .start = method});
    const bulkhead::shared_memory memory(100'000);
    CHECK(std::ranges::all_of(memory.bytes(), [](std::byte b) { return b == std::byte{0}; }));
    pool.map(
      [](std::pair<bulkhead::shared_memory, std::size_t> part) {
        std::ranges::fill(part.first.bytes().subspan(part.second * 50'000, 50'000), std::byte{7});
      },
      std::vector{std::pair{memory, std::size_t{0}}, std::pair{memory, std::size_t{1}}});
    CHECK(std::ranges::all_of(memory.bytes(), [](std::byte b) { return b == std::byte{7}; }));
  }
}

TEST_CASE("a view shows what the owner writes and nobody else can map it writable") {
  bulkhead::tests::leak_guard guard;
  bulkhead::pool pool({.workers = 1});
  const bulkhead::shared_memory memory(10);
  const auto view = memory.view();
  memory.bytes()[3] = std::byte{42};
  CHECK(pool.apply(
          [](bulkhead::shared_memory_view v) { return std::to_integer<int>(v.bytes()[3]); }, view)
        == 42);
  CHECK_THROWS_WITH(pool.apply([](bulkhead::shared_memory) {}, memory),
                    doctest::Contains("sealed by view()"));
  CHECK_THROWS_AS(bulkhead::shared_memory(0), bulkhead::config_error);
}

TEST_CASE("memory that a task made lives on in its result") {
  bulkhead::tests::leak_guard guard;
  bulkhead::pool pool({.workers = 1});
  const auto made = pool.apply([] {
    bulkhead::shared_array<int> numbers(1000);
    std::iota(numbers.begin(), numbers.end(), 0);
    return numbers;
  });
  pool.terminate();
  CHECK(std::accumulate(made.begin(), made.end(), 0) == 499'500);
}

TEST_CASE("a shared array under its mutex loses no change") {
  bulkhead::tests::leak_guard guard;
  for (const auto method : methods) {
    bulkhead::pool pool({.workers = 3, .start = method});
    bulkhead::shared_array<int> numbers(10);
    std::vector<std::pair<bulkhead::shared_array<int>, int>> all(3, {numbers, 300});
    pool.starmap(add_often, all);
    CHECK(std::ranges::all_of(numbers.span(), [](int n) { return n == 900; }));
  }
}

TEST_CASE("a shared value is exchanged, added to and changed as a whole") {
  bulkhead::tests::leak_guard guard;
  bulkhead::pool pool({.workers = 3});
  bulkhead::shared_value<long> number(5);
  std::vector<std::pair<bulkhead::shared_value<long>, int>> all(3, {number, 500});
  pool.starmap(count_often, all);
  CHECK(number.exchange(7) == 1505);
  bulkhead::shared_value<money> account;
  pool.apply(
    [](bulkhead::shared_value<money> a) {
      a.with([](money& m) {
        m.here -= 10;
        m.there += 10;
      });
    },
    account);
  CHECK_THROWS_AS(account.with([](money& m) {
    m.here = 0;
    throw std::runtime_error("half way");
  }),
                  std::runtime_error);
  CHECK(account.load().here == 990);
  CHECK(account.load().there == 10);
}

TEST_CASE("a mutex is a TimedLockable for unique_lock, scoped_lock and condition_variable_any") {
  bulkhead::mutex m;
  bulkhead::recursive_mutex r;
  {
    const std::scoped_lock both{m, r};
    CHECK_FALSE(m.try_lock());
    CHECK(r.try_lock());
    r.unlock();
    CHECK_THROWS_AS(m.lock(), std::system_error);
    std::jthread other{[&] {
      CHECK_FALSE(m.try_lock_for(1ms));
      CHECK_FALSE(r.try_lock_until(std::chrono::system_clock::now() + 1ms));
      CHECK_THROWS_AS(m.unlock(), std::system_error);
    }};
  }
  std::condition_variable_any changed;
  bool ready = false;
  std::jthread setter{[&] {
    const std::scoped_lock lock{m};
    ready = true;
    changed.notify_one();
  }};
  std::unique_lock lock{m};
  CHECK(changed.wait_for(lock, long_enough, [&] { return ready; }));
}

TEST_CASE("a condition hands a cell back and forth between processes") {
  bulkhead::tests::leak_guard guard;
  bulkhead::pool pool({.workers = 1});
  bounded_box box;
  bulkhead::shared_array<long> cell(1);
  const auto sum = pool.submit(drain, box, cell, 100);
  for (long i = 1; i <= 100; ++i) {
    std::unique_lock lock{box.lock};
    REQUIRE(box.changed.wait_for(lock, long_enough, [&] { return cell[0] == 0; }));
    cell[0] = i;
    box.changed.notify_one();
  }
  CHECK(sum.get(long_enough) == 5050);
}

TEST_CASE("a condition's wait ends with its time") {
  bulkhead::mutex m;
  bulkhead::condition never;
  std::unique_lock lock{m};
  while (never.wait_for(lock, 1ms) != std::cv_status::timeout) {
  }
  CHECK(lock.owns_lock());
  CHECK_FALSE(never.wait_for(lock, 1ms, [] { return false; }));
}

TEST_CASE("a semaphore lets so many in and a bounded one refuses a release too many") {
  bulkhead::tests::leak_guard guard;
  bulkhead::pool pool({.workers = 3});
  bulkhead::semaphore two(2);
  bulkhead::shared_array<int> inside(2); // now, most
  std::vector<std::pair<bulkhead::semaphore, bulkhead::shared_array<int>>> all(12, {two, inside});
  pool.starmap(
    [](bulkhead::semaphore s, bulkhead::shared_array<int> n) {
      for (int i = 0; i < 50; ++i) {
        s.acquire();
        {
          const std::scoped_lock lock{n.mutex()};
          n[1] = std::max(n[1], ++n[0]);
        }
        std::this_thread::yield();
        {
          const std::scoped_lock lock{n.mutex()};
          --n[0];
        }
        s.release();
      }
    },
    all);
  CHECK(inside[1] <= 2);
  CHECK(inside[1] >= 1);
  CHECK(two.value() == 2);
  bulkhead::bounded_semaphore one;
  CHECK(one.try_acquire());
  CHECK_FALSE(one.try_acquire());
  CHECK_FALSE(one.try_acquire_for(1ms));
  one.release();
  CHECK_THROWS_WITH_AS(one.release(), doctest::Contains("more releases"), bulkhead::config_error);
}

TEST_CASE("an event wakes those who wait even where it is cleared at once") {
  bulkhead::tests::leak_guard guard;
  bulkhead::pool pool({.workers = 2});
  bulkhead::event go;
  bulkhead::latch there(2);
  std::vector<bulkhead::future<bool>> waiting;
  for (int i = 0; i < 2; ++i)
    waiting.push_back(pool.submit(
      [](bulkhead::latch l, bulkhead::event e) {
        l.count_down();
        return e.wait(long_enough);
      },
      there, go));
  REQUIRE(there.wait(long_enough));
  CHECK_FALSE(go.wait(0s));
  // Between count_down and the wait a task may not have begun to wait: set until both have seen it.
  while (!waiting[0].ready() || !waiting[1].ready()) {
    go.set();
    go.clear();
    std::this_thread::yield();
  }
  CHECK(waiting[0].get());
  CHECK(waiting[1].get());
  CHECK_FALSE(go.is_set());
  go.set();
  go.wait();
}

TEST_CASE("a latch opens once and refuses to go below zero") {
  bulkhead::latch l(2);
  CHECK_FALSE(l.try_wait());
  CHECK_FALSE(l.wait(1ms));
  CHECK_THROWS_AS(l.count_down(3), bulkhead::config_error);
  l.count_down();
  l.arrive_and_wait();
  CHECK(l.try_wait());
  CHECK_THROWS_AS(l.count_down(), bulkhead::config_error);
}

TEST_CASE("a barrier keeps processes in step and gives each round one first") {
  bulkhead::tests::leak_guard guard;
  bulkhead::pool pool({.workers = 3});
  const bulkhead::barrier b(3);
  std::vector<bulkhead::future<std::size_t>> parties;
  for (int i = 0; i < 3; ++i)
    parties.push_back(pool.submit(meet, b, 40));
  std::size_t firsts = 0;
  for (const auto& each : parties)
    firsts += each.get(long_enough);
  CHECK(firsts == 40);
}

TEST_CASE("a barrier breaks by time or abort and is whole after a reset") {
  bulkhead::barrier b(2);
  CHECK_THROWS_AS(b.wait(1ms), bulkhead::broken_barrier);
  CHECK(b.broken());
  CHECK_THROWS_AS(b.wait(), bulkhead::broken_barrier);
  b.reset();
  {
    std::jthread other{[&] { CHECK_THROWS_AS(b.wait(long_enough), bulkhead::broken_barrier); }};
    while (b.waiting() == 0)
      std::this_thread::yield();
    b.abort();
  }
  b.reset();
  {
    std::jthread other{[&] { CHECK_THROWS_AS(b.wait(long_enough), bulkhead::broken_barrier); }};
    while (b.waiting() == 0)
      std::this_thread::yield();
    b.reset();
  }
  CHECK_FALSE(b.broken());
  std::jthread other{[&] { CHECK(b.wait(long_enough) <= 1); }};
  CHECK(b.wait(long_enough) <= 1);
  CHECK_THROWS_AS(bulkhead::barrier(0), bulkhead::config_error);
}

TEST_CASE("a barrier of one party never waits") {
  bulkhead::barrier b(1);
  for (int i = 0; i < 3; ++i)
    CHECK(b.wait() == 0);
  CHECK(b.waiting() == 0);
}

TEST_CASE("a handle of another kind is refused where it arrives") {
  bulkhead::detail::buffer bytes;
  bulkhead::detail::encode(bytes, bulkhead::event{});
  bulkhead::detail::reader in{bytes.bytes()};
  in.bring(bytes.descriptors());
  CHECK_THROWS_AS(bulkhead::detail::decode<bulkhead::mutex>(in), bulkhead::codec_error);
  bulkhead::detail::reader alone{bytes.bytes()};
  CHECK_THROWS_WITH_AS(bulkhead::detail::decode<bulkhead::event>(alone),
                       doctest::Contains("did not come along"), bulkhead::codec_error);
}
