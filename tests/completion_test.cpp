// ctest-label: fault
// Waiting for several futures, from anywhere.
#include "tests/support/eventually.hpp"
#include "tests/support/leak_guard.hpp"
#include "tests/support/own_usage.hpp"

#include <bulkhead/tasks.hpp>

#include <doctest/doctest.h>

#include <unistd.h>

#include <atomic>
#include <coroutine>
#include <exception>
#include <set>
#include <vector>

using namespace bulkhead;
using namespace bulkhead::tests;
using namespace std::chrono_literals;

namespace {

/// Knows how many of it live in this process.
struct counted {
  counted() { ++alive; }
  counted(const counted&) { ++alive; }
  counted& operator=(const counted&) = default;
  ~counted() { --alive; }
  static inline std::atomic<int> alive = 0;
  std::vector<int> content;
  template <class Inspector>
  friend bool inspect(Inspector& f, counted& x) {
    return f.object(x).fields(f.field("content", x.content));
  }
};

struct detached {
  struct promise_type {
    detached get_return_object() { return {}; }
    std::suspend_never initial_suspend() noexcept { return {}; }
    std::suspend_never final_suspend() noexcept { return {}; }
    void return_void() {}
    void unhandled_exception() { std::terminate(); }
  };
};

int sum_of_three(pool& p) {
  std::vector<future<int>> parts;
  for (int i = 0; i < 3; ++i)
    parts.push_back(p.submit([](int x) { return x; }, i));
  int sum = 0;
  for (const auto& part : as_completed(parts))
    sum += part.get();
  return sum;
}

detached gather(pool& p, std::atomic<int>& sum) {
  co_await p.submit([] {
    ::usleep(10'000);
    return 0;
  });
  sum = sum_of_three(p);
}

} // namespace

TEST_CASE("a coroutine may fan out and wait for what is ready first") {
  const leak_guard guard;
  std::atomic<int> sum = -1;
  pool p{{.workers = 2}};
  gather(p, sum);
  CHECK(eventually([&] { return sum == 3; }, 60s));
}

TEST_CASE("a callback may wait for other tasks") {
  const leak_guard guard;
  std::atomic<int> found = -1;
  pool p{{.workers = 2}};
  p.submit([] {}).on_ready([&](const outcome<void>&) {
    std::vector<future<int>> one{p.submit([] { return 1; })};
    const auto any = wait_any(one, 60s);
    found = any && *any == 0 ? 1 : 0;
  });
  CHECK(eventually([&] { return found != -1; }, 90s));
  CHECK(found == 1);
}

TEST_CASE("waits that end early leave nothing behind in the futures") {
  const leak_guard guard;
  pool p{{.workers = 1}};
  std::vector<future<void>> jobs;
  for (int i = 0; i < 50; ++i)
    jobs.push_back(p.submit([] { ::pause(); }));
  const auto poll = [&](int times) {
    for (int i = 0; i < times; ++i)
      CHECK_FALSE(wait_any(jobs, 0ns).has_value());
  };
  poll(200);
  const auto before = own_rss_bytes();
  poll(4000); // 200,000 registrations; each that stays costs 100 bytes or more
  CHECK(own_rss_bytes() <= before + (std::size_t{8} << 20));
}

TEST_CASE("as_completed hands each result over and keeps none") {
  const leak_guard guard;
  pool p{{.workers = 1}};
  std::vector<future<counted>> all;
  for (int i = 0; i < 100; ++i)
    all.push_back(p.submit([] { return counted{}; }));
  auto range = as_completed(std::exchange(all, {}));
  int seen = 0;
  int most = 0;
  for (auto f : range) {
    const auto value = std::move(f).get();
    ++seen;
    most = std::max(most, counted::alive.load());
  }
  CHECK(seen == 100);
  CHECK(most <= 4); // this one, the range's current one, and what they are copied from
}
