// ctest-label: fault
// ctest-timeout: 120
// A worker that its host ends for what it does tells first where its task stood.
#include "tests/support/eventually.hpp"
#include "tests/support/leak_guard.hpp"

#include <bulkhead/pool.hpp>

#include <doctest/doctest.h>

#include <signal.h>
#include <unistd.h>

#include <atomic>
#include <cstring>
#include <mutex>
#include <string>
#include <vector>

using namespace bulkhead;
using namespace std::chrono_literals;
using bulkhead::tests::eventually;

namespace {

std::atomic<bool> never{false};

[[gnu::noinline]] int turn_for_ever(int x) {
  while (!never.load(std::memory_order_relaxed))
    ++x;
  return x;
}

[[gnu::noinline]] int wait_for_ever(int) {
  while (!never.load(std::memory_order_relaxed))
    ::pause();
  return 0;
}

[[gnu::noinline]] int turn_deaf_for_ever(int x) {
  sigset_t all;
  sigfillset(&all);
  ::sigprocmask(SIG_BLOCK, &all, nullptr);
  return turn_for_ever(x);
}

[[gnu::noinline]] int devour(int) {
  std::vector<std::vector<char>> eaten;
  while (!never.load(std::memory_order_relaxed))
    eaten.emplace_back(std::size_t{1} << 20, 'x');
  return static_cast<int>(eaten.size());
}

failure end_of(pool& p, int (*task)(int)) {
  auto f = p.submit(task, 1);
  REQUIRE(f.wait(60s));
  REQUIRE(!f.outcome().has_value());
  return f.outcome().failure();
}

bool contains(const std::string& text, const char* part) {
  CAPTURE(text);
  return text.find(part) != std::string::npos;
}

} // namespace

TEST_CASE("a task that exceeds its time says where it stood, and the limit's number") {
  const tests::leak_guard guard;
  pool p{{.workers = 1, .task_timeout = 200ms}};
  const auto turns = end_of(p, turn_for_ever);
  CHECK(turns.kind == failure_kind::timeout);
  CHECK(turns.exit.signal == SIGKILL);
  CHECK(turns.exit.cause == exit_cause::timed_out);
  CHECK(contains(turns.message, "its task exceeded a time limit (200 ms)"));
  CHECK(contains(turns.backtrace, "turn_for_ever"));
  CHECK(contains(end_of(p, wait_for_ever).backtrace, "wait_for_ever"));
}

TEST_CASE("who blocks all signals leaves no stack and is ended all the same") {
  const tests::leak_guard guard;
  pool p{{.workers = 1, .task_timeout = 200ms}};
  const auto deaf = end_of(p, turn_deaf_for_ever);
  CHECK(deaf.kind == failure_kind::timeout);
  CHECK(deaf.exit.signal == SIGKILL);
  CHECK(deaf.backtrace.empty());
  CHECK(p.apply([](int x) { return x + 1; }, 41) == 42);
}

TEST_CASE("a task that exceeds its memory says where it took it, and how much it had") {
  const tests::leak_guard guard;
  pool p{{.workers = 1, .max_memory_per_worker = std::size_t{256} << 20}};
  const auto f = end_of(p, devour);
  CHECK(f.exit.cause == exit_cause::memory_limit);
  CHECK(contains(f.message, "it exceeded its memory limit (max_memory_per_worker: 256 MiB)"));
  CHECK(contains(f.backtrace, "devour"));
}

TEST_CASE("an initializer that is ended for its time is named with the limit") {
  const tests::leak_guard guard;
  std::mutex lock;
  std::string said;
  pool_options o{.workers = 1, .initializer = [] { turn_for_ever(1); }};
  o.ready_within = 500ms;
  o.on_event = [&](const pool_event& e) {
    const std::lock_guard held{lock};
    if (e.kind == event_kind::died && said.empty())
      said = e.text;
  };
  {
    pool p{o};
    CHECK(eventually([&] {
      const std::lock_guard held{lock};
      return !said.empty();
    }));
    p.terminate();
  }
  CHECK(contains(said, "within ready_within: 500 ms"));
  CHECK(contains(said, "in its initializer"));
}
