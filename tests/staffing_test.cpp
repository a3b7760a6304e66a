// ctest-label: fault
// ctest-timeout: 180
// How many workers a pool has, and what waits for one of them.
#include "tests/support/eventually.hpp"
#include "tests/support/leak_guard.hpp"
#include "tests/support/own_usage.hpp"

#include <bulkhead/tasks.hpp>

#include <doctest/doctest.h>

#include <unistd.h>

#include <atomic>
#include <csignal>
#include <numeric>
#include <ranges>
#include <set>
#include <string>
#include <thread>
#include <vector>

using namespace bulkhead;
using namespace bulkhead::tests;
using namespace std::chrono_literals;

namespace {

/// How many workers live, by the pool's events, and the most that ever did.
class census {
public:
  std::function<void(const pool_event&)> feed() {
    return [this](const pool_event& e) {
      if (e.kind == event_kind::started)
        most_ = std::max<int>(most_, ++alive_);
      else if (e.kind == event_kind::died || e.kind == event_kind::recycled)
        --alive_;
    };
  }
  int most() const noexcept { return most_; }

private:
  std::atomic<int> alive_ = 0;
  std::atomic<int> most_ = 0;
};

int nap(int micros) {
  ::usleep(static_cast<useconds_t>(micros));
  return static_cast<int>(::getpid());
}

} // namespace

TEST_CASE("workers that are recycled after a number of tasks never outnumber the pool's size") {
  const leak_guard guard;
  for (const std::size_t each : {1U, 3U}) {
    census living;
    {
      pool p{{.workers = 2, .max_tasks_per_worker = each, .on_event = living.feed()}};
      CHECK(p.map(nap, std::vector<int>(60, 1000)).size() == 60);
    }
    CHECK(living.most() <= 2);
  }
}

TEST_CASE("workers that are recycled at an age never outnumber the pool's size") {
  const leak_guard guard;
  census living;
  {
    pool p{{.workers = 2, .max_age_per_worker = 5ms, .on_event = living.feed()}};
    CHECK(p.map(nap, std::vector<int>(100, 2000)).size() == 100);
    CHECK(p.stats().recycled > 0);
  }
  CHECK(living.most() <= 2);
}

TEST_CASE("a worker that a smaller pool did not need any more serves a pool that grows again") {
  const leak_guard guard;
  pool p{{.workers = 3}};
  const auto ids = p.broadcast([] { return static_cast<int>(::getpid()); });
  std::vector<future<int>> running;
  for (int i = 0; i < 3; ++i)
    running.push_back(p.submit(nap, 200'000));
  REQUIRE(eventually([&] { return p.stats().in_flight == 3; }, 30s));
  p.resize(1);
  p.resize(3);
  CHECK(p.workers().size() == 3);
  const auto now = p.broadcast([] { return static_cast<int>(::getpid()); });
  CHECK(std::set<int>(ids.begin(), ids.end()) == std::set<int>(now.begin(), now.end()));
}

TEST_CASE("crashes while a thread waits give their descriptors back at once") {
  const leak_guard guard;
  pool p{{.workers = 1}};
  auto stop = p.submit([] { return 0; });
  stop.wait();
  const auto before = own_descriptors();
  std::atomic<bool> over = false;
  std::thread crasher{[&] {
    for (int i = 0; i < 60; ++i)
      p.submit([] { ::raise(SIGKILL); }).wait();
    over = true;
  }};
  const auto longest = p.submit([] { return 1; });
  // The waiting threads take turns at leading; none of them may keep what is dead.
  std::size_t most = 0;
  while (!over) {
    most = std::max(most, own_descriptors());
    p.submit([] {}).wait();
  }
  crasher.join();
  CHECK(longest.successful());
  CHECK(most < before + 60);
}

TEST_CASE("a crash in a worker's last task is a crash, not a replacement") {
  const leak_guard guard;
  pool p{{.workers = 1, .max_tasks_per_worker = 1}};
  const auto crashed = p.submit([] { ::raise(SIGKILL); }).outcome();
  CHECK(crashed.failure().exit.cause == exit_cause::killed);
  const auto late = p.with({.timeout = 20ms}).submit([] { ::pause(); }).outcome();
  CHECK(late.failure().kind == failure_kind::timeout);
  CHECK(late.failure().exit.cause == exit_cause::timed_out);
  CHECK(p.stats().restarts == 2);
}

TEST_CASE("a broadcast whose worker dies before its turn fails and does not hang") {
  const leak_guard guard;
  pool p{{.workers = 1}};
  auto dies = p.submit([] {
    ::usleep(50'000);
    ::raise(SIGKILL);
  });
  auto behind = p.submit(nap, 0);
  try {
    const auto all = p.broadcast([] { return 1; });
    CHECK(all.size() == 1);
  } catch (const worker_died& e) {
    CHECK_FALSE(e.info().may_have_executed);
  }
  p.close();
  CHECK(p.join(60s));
}

TEST_CASE("a broadcast reaches every worker, however short they live") {
  const leak_guard guard;
  pool p{{.workers = 2, .max_tasks_per_worker = 1}};
  for (int i = 0; i < 20; ++i)
    CHECK(p.broadcast([] { return 1; }).size() == 2);
}

TEST_CASE("nobody waits for the start of one worker while another has nothing to do") {
  const leak_guard guard;
  // The second worker to start hangs in its initializer until it is killed with the pool.
  std::string name = "/tmp/bulkhead-staffing-" + std::to_string(::getpid());
  {
    pool p{{.workers = 2,
            .initializer = call(
              [](const std::string& path) {
                if (::access(path.c_str(), F_OK) == 0)
                  ::pause();
                if (auto* f = std::fopen(path.c_str(), "wx"))
                  std::fclose(f);
                else
                  ::pause();
              },
              name)}};
    for (int i = 0; i < 20; ++i)
      CHECK(p.submit(nap, 0).wait(60s));
  }
  ::unlink(name.c_str());
}

TEST_CASE("quick tasks, then slow ones: every worker gets its share of the slow ones") {
  const leak_guard guard;
  pool p{{.workers = 4}};
  std::vector<int> times(2000, 0);
  times.resize(2000 + 40, 30'000);
  const auto pids = p.map(nap, times);
  std::map<int, int> slow;
  for (std::size_t i = 2000; i < pids.size(); ++i)
    ++slow[pids[i]];
  CHECK(slow.size() == 4);
  for (const auto& [pid, count] : slow)
    CHECK(count <= 20); // 10 each; 40 for one if nothing is ever taken back
}

TEST_CASE("max_memory_per_worker does not count what a worker was born with") {
  const leak_guard guard;
  static std::vector<char> model;
  model.assign(std::size_t{64} << 20, 'm');
  pool p{{.workers = 1, .start = start_method::fork, .max_memory_per_worker = 32U << 20}};
  for (int i = 0; i < 10; ++i)
    CHECK(p.apply([] { return model.size(); }) == model.size());
  CHECK(p.stats().restarts == 0);
  CHECK(p.stats().recycled == 0);
  model = {};
}
