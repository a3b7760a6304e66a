// ctest-label: tsan
// ctest-timeout: 120

#include <bulkhead/tasks.hpp>

#include <doctest/doctest.h>

#include <atomic>
#include <chrono>
#include <numeric>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

using namespace std::chrono_literals;
using bulkhead::pool;
using bulkhead::start_method;

namespace {

int square(int x) { return x * x; }

std::atomic<bool> gate{false}; // workers are threads: they see it

void wait_for_gate() {
  while (!gate)
    std::this_thread::yield();
}

} // namespace

TEST_CASE("threads: submit, map and exceptions work as with processes") {
  pool p{{.workers = 2, .start = start_method::thread}};
  std::vector<bulkhead::future<int>> all;
  for (int i = 0; i < 2000; ++i)
    all.push_back(p.submit(square, i));
  for (int i = 0; i < 2000; ++i)
    CHECK(all[static_cast<std::size_t>(i)].get() == i * i);
  std::vector<int> input(20'000);
  std::iota(input.begin(), input.end(), 0);
  const auto output = p.map([](int x) { return x + 1; }, input);
  CHECK(std::accumulate(output.begin(), output.end(), 0LL) == 20'000LL * 20'001 / 2);
  CHECK_THROWS_AS(p.apply([] { throw std::runtime_error("no"); }), bulkhead::task_error);
}

TEST_CASE("threads: many submitters and cancels, every future ends once") {
  pool p{{.workers = 2, .start = start_method::thread}};
  std::atomic<int> ended{0};
  std::atomic<int> wrong{0};
  std::vector<std::thread> submitters;
  for (int t = 0; t < 3; ++t)
    submitters.emplace_back([&] {
      for (int i = 0; i < 300; ++i) {
        auto f = p.submit(square, i);
        if (i % 3 == 0)
          f.cancel();
        try {
          if (f.get() != i * i)
            ++wrong;
        } catch (const bulkhead::cancelled_error&) {
        }
        ++ended;
      }
    });
  for (auto& t : submitters)
    t.join();
  CHECK(ended == 900);
  CHECK(wrong == 0);
  const auto s = p.stats();
  CHECK(s.submitted == s.succeeded + s.failed + s.cancelled);
}

TEST_CASE("threads: large arguments and results travel") {
  pool p{{.workers = 1, .start = start_method::thread}};
  const std::string big(1'000'000, 'x');
  CHECK(p.apply([](std::string s) { return s + "y"; }, big).size() == 1'000'001);
}

TEST_CASE("threads: a hard limit ends the future and abandons the thread") {
  gate = false;
  pool p{{.workers = 1, .start = start_method::thread}};
  auto late = p.with({.timeout = 30ms}).submit(wait_for_gate);
  auto behind = p.submit(square, 3);
  CHECK_THROWS_AS(late.get(30s), bulkhead::timeout_error);
  CHECK(behind.get(30s) == 9);
  gate = true;
}

TEST_CASE("threads: the pool ends while tasks run") {
  gate = false;
  std::vector<bulkhead::future<void>> all;
  {
    pool p{{.workers = 2, .start = start_method::thread, .grace = 20ms}};
    for (int i = 0; i < 6; ++i)
      all.push_back(p.submit(wait_for_gate));
  }
  for (auto& f : all)
    CHECK_THROWS_AS(f.get(), bulkhead::cancelled_error);
  gate = true;
}

TEST_CASE("threads: this_worker and this_task tell where a task is") {
  pool p{{.workers = 1, .start = start_method::thread, .name = "t"}};
  CHECK(p.apply([] { return std::string(bulkhead::this_worker::pool_name()); }) == "t");
  CHECK(p.apply([] { return bulkhead::this_task::attempt(); }) == 1);
  CHECK(!bulkhead::this_worker::active());
}

TEST_CASE("threads: a soft limit shows as a stop request") {
  pool p{{.workers = 1, .start = start_method::thread, .grace = 20s}};
  auto f = p.with({.soft_timeout = 10ms}).submit([] {
    while (!bulkhead::this_worker::stop_requested())
      std::this_thread::yield();
    return 5;
  });
  CHECK(f.get(30s) == 5);
}

TEST_CASE("eager: tasks run in the caller and futures come back ready") {
  pool p{{.start = start_method::eager}};
  auto f = p.submit(square, 4);
  CHECK(f.ready());
  CHECK(f.get() == 16);
  CHECK(p.map(square, {1, 2, 3}) == std::vector<int>{1, 4, 9});
  CHECK_THROWS_AS(p.apply([] { throw std::logic_error("no"); }), bulkhead::task_error);
  p.close();
  CHECK_THROWS_AS(p.submit(square, 1), bulkhead::pool_closed);
}
