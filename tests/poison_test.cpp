// ctest-label: fault
// ctest-timeout: 120
// Who is quarantined, and who has only used up its attempts.
#include "tests/support/leak_guard.hpp"
#include "tests/support/temporary_folder.hpp"

#include <bulkhead/tasks.hpp>

#include <doctest/doctest.h>

#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <thread>

using namespace bulkhead;
using namespace bulkhead::tests;
using namespace std::chrono_literals;

namespace {

int crash() { std::abort(); }

int hang() {
  for (;;)
    ::pause();
}

} // namespace

TEST_CASE("a task that has used up its retries fails with what ended its last attempt") {
  const leak_guard guard;
  pool p{{.workers = 1, .poison_after = 3}};
  const auto died = p.with({.retries = 2}).submit(crash).outcome().failure();
  CHECK(died.kind == failure_kind::worker_died);
  CHECK(died.exit.cause == exit_cause::crashed);
  CHECK(died.exit.signal == SIGABRT);
  CHECK(died.may_have_executed);
  CHECK(p.stats().retried == 2);
  CHECK(p.stats().failed == 1);
}

TEST_CASE("a time-out that ends the last attempt is a time-out") {
  const leak_guard guard;
  pool p{{.workers = 1, .poison_after = 3}};
  const auto late = p.with({.timeout = 20ms, .retries = 2}).submit(hang).outcome().failure();
  CHECK(late.kind == failure_kind::timeout);
  CHECK(late.exit.cause == exit_cause::timed_out);
  CHECK(p.stats().retried == 2);
}

TEST_CASE("a task that has retries left is poison after poison_after workers") {
  const leak_guard guard;
  pool p{{.workers = 1, .poison_after = 3}};
  const auto poison = p.with({.retries = 3}).submit(crash).outcome().failure();
  CHECK(poison.kind == failure_kind::poisoned);
  CHECK(poison.exit.signal == SIGABRT);
  CHECK(p.stats().retried == 2);
}

TEST_CASE("a broadcast, which is never retried, is not poison") {
  const leak_guard guard;
  pool p{{.workers = 1, .retries = 5, .poison_after = 1}};
  CHECK_THROWS_AS(p.broadcast(crash), worker_died);
}

TEST_CASE("a task that is cancelled while it runs is cancelled, not poison") {
  const leak_guard guard;
  pool p{{.workers = 1, .grace = 20ms, .retries = 5, .poison_after = 1}};
  const testing::temporary_folder folder;
  const auto started = (folder.path() / "started").string();
  auto f = p.submit(
    [](const std::string& file) {
      std::ofstream{file};
      return hang();
    },
    started);
  while (!std::filesystem::exists(started))
    std::this_thread::yield();
  f.cancel(true);
  CHECK(f.outcome().failure().kind == failure_kind::cancelled);
}
