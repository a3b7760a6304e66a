// ctest-label: fault
// ctest-timeout: 180
// Waits that nobody would end: work that is left in the queue, and calls that wait for workers
// that nobody starts.
#include "tests/support/eventually.hpp"
#include "tests/support/evil_worker.hpp"
#include "tests/support/leak_guard.hpp"
#include "tests/support/temporary_folder.hpp"

#include <bulkhead/tasks.hpp>
#if defined(BULKHEAD_HOOKS) && BULKHEAD_HOOKS
#  include <bulkhead/testing/hooks.hpp>
#endif

#include <doctest/doctest.h>

#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <chrono>
#include <csignal>
#include <filesystem>
#include <future>
#include <memory>
#include <string>
#include <system_error>
#include <thread>
#include <vector>

using namespace bulkhead;
using namespace bulkhead::tests;
using namespace std::chrono_literals;

namespace {

void work_for_a_millisecond() {
  const auto end = std::chrono::steady_clock::now() + 1ms;
  while (std::chrono::steady_clock::now() < end) {
  }
}

/// While it lives this process has no free descriptor but `spare`.
class no_descriptors {
public:
  explicit no_descriptors(rlim_t limit, std::size_t spare) {
    ::getrlimit(RLIMIT_NOFILE, &before_);
    auto small = before_;
    small.rlim_cur = limit;
    ::setrlimit(RLIMIT_NOFILE, &small);
    for (int fd = ::dup(0); fd >= 0; fd = ::dup(0))
      taken_.push_back(fd);
    for (; spare > 0 && !taken_.empty(); --spare)
      give_one_back();
  }
  no_descriptors(const no_descriptors&) = delete;
  no_descriptors& operator=(const no_descriptors&) = delete;
  ~no_descriptors() {
    while (!taken_.empty())
      give_one_back();
    ::setrlimit(RLIMIT_NOFILE, &before_);
  }

private:
  void give_one_back() {
    ::close(taken_.back());
    taken_.pop_back();
  }

  rlimit before_{};
  std::vector<int> taken_;
};

constexpr rlim_t few_descriptors = 80; // what a pool of four is allowed with

/// What the call ends as within a watchdog's time; the pool is terminated where it does not end.
template <class Call>
bool ends(pool& p, Call call) {
  auto done = std::async(std::launch::async, [&] {
    try {
      call();
    } catch (const error&) {
    }
  });
  const bool in_time = done.wait_for(30s) == std::future_status::ready;
  if (!in_time)
    p.terminate();
  done.wait();
  return in_time;
}

} // namespace

#if defined(BULKHEAD_HOOKS) && BULKHEAD_HOOKS

TEST_CASE("what waits is sent, though all before it was answered while the host turned away") {
  const leak_guard guard;
  pool p{
    {.workers = 1, .unresponsive_after = 10min}}; // nor is there a look at its heart that helps
  for (int round = 0; round < 8; ++round) {
    for (int i = 0; i < 4; ++i)
      p.apply(work_for_a_millisecond); // so that two at a time are sent
    // The third is sent when the first is answered; meanwhile the worker ends them all and sleeps.
    testing::arm_hook("host.published", 3, testing::hook_action::delay);
    std::array<future<void>, 4> tasks;
    for (auto& task : tasks)
      task = p.submit(work_for_a_millisecond);
    std::atomic<bool> ended = false;
    tasks[3].on_ready([&](const outcome<void>&) { ended = true; });
    tasks[0].get();
    REQUIRE(eventually([&] { return ended.load(); })); // without a call that would serve the pool
  }
}

#endif

TEST_CASE("after a resize that the system refused the pool works with the workers that it has") {
  const leak_guard guard;
  pool p{{.workers = 2}};
  p.broadcast([] { return 0; });
  {
    const no_descriptors none{few_descriptors, 1};
    CHECK_THROWS_AS(p.resize(4), std::system_error);
  }
  CHECK(ends(p, [&] { CHECK(p.broadcast([] { return 0; }).size() == 2); }));
  p.resize(3);
  CHECK(ends(p, [&] { CHECK(p.broadcast([] { return 0; }).size() == 3); }));
}

TEST_CASE(
  "a broadcast that waits for a worker ends when the system refuses it and the pool breaks") {
  const leak_guard guard;
  restart_policy policy;
  policy.max_restarts = 2;
  policy.backoff_initial = policy.backoff_max = 500ms;
  pool p{{.workers = 1, .restart = policy}};
  const auto first = p.apply([] { return ::getpid(); });
  const no_descriptors none{few_descriptors, 1};
  ::kill(first, SIGKILL);
  REQUIRE(eventually([&] { return p.workers().empty(); }));
  CHECK(ends(p, [&] { p.broadcast([] { return 0; }); }));
  CHECK_THROWS_AS(p.submit([] { return 0; }), pool_broken);
}

TEST_CASE("a broadcast to a closed pool that has lost a worker says that it is closed") {
  const leak_guard guard;
  pool p{{.workers = 1, .max_tasks_per_worker = 1}};
  auto last = p.submit(work_for_a_millisecond);
  p.close(); // so the worker that the task uses up has no successor
  last.get();
  REQUIRE(eventually([&] { return p.workers().empty(); }));
  CHECK(ends(p, [&] { CHECK_THROWS_AS(p.broadcast([] { return 0; }), pool_closed); }));
}

namespace {

/// Gives back whatever it is sent, unasked, and never says that it may not go on.
void give_back_for_ever() {
  const evil_worker w;
  const auto own = w.own_position();
  w.say(runtime::answer_kind::result, own, 1, 0);
  w.page().claim.store(0);
  for (auto next = runtime::sequence_of(own) + 1;; ++next) {
    while (w.host_words().tail.load() <= next)
      std::this_thread::yield();
    w.say(runtime::answer_kind::returned, runtime::make_position(next, 0), next + 1);
  }
}

} // namespace

TEST_CASE("a worker that gives back what nobody asked for is a liar, and its tasks run elsewhere") {
  const leak_guard guard;
  pool p{{.workers = 1}};
  p.apply(give_back_for_ever);
  auto f = p.submit([] { return 5; });
  REQUIRE(f.wait(60s));
  CHECK(p.stats().bad_messages == 1);
  CHECK(p.apply([](int x) { return x + 1; }, 41) == 42);
}

TEST_CASE("a broadcast behind work that waits for a replacement keeps nobody from being replaced") {
  const leak_guard guard;
  const testing::temporary_folder folder;
  const auto file = (folder.path() / "go on").string();
  pool p{{.workers = 1, .max_age_per_worker = 300ms}};
  std::vector<future<int>> all;
  all.push_back(p.submit(
    [](const std::string& name) {
      while (!std::filesystem::exists(name))
        ::usleep(1000);
      return 0;
    },
    file));
  for (int i = 1; i < 20; ++i) // more than its ring takes beside the running one
    all.push_back(p.submit([](int x) { return x; }, i));
  auto everywhere = std::async(std::launch::async, [&] { return p.broadcast([] { return 1; }); });
  // Too old by now, it takes nothing more; the broadcast alone is still its own.
  REQUIRE(eventually([&] {
    const auto workers = p.workers();
    return p.stats().submitted == 21 && workers.size() == 1
           && workers[0].state == worker_state::draining;
  }));
  folder.write("go on", "");
  for (int i = 0; i < 20; ++i) {
    REQUIRE(all[static_cast<std::size_t>(i)].wait(60s));
    CHECK(all[static_cast<std::size_t>(i)].get() == i);
  }
  REQUIRE(everywhere.wait_for(60s) == std::future_status::ready);
  CHECK(everywhere.get() == std::vector<int>{1});
}
