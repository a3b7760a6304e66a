// ctest-label: fault
// ctest-timeout: 180
// A worker cannot keep the host busy by repeating what is said once.
#include "tests/support/evil_worker.hpp"
#include "tests/support/leak_guard.hpp"

#include <bulkhead/tasks.hpp>

#include <doctest/doctest.h>

#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <utility>

using namespace bulkhead;
using namespace bulkhead::tests;
using namespace bulkhead::runtime;

namespace {

/// Shorter where a check is broken on purpose, so that what never happens is found soon.
std::chrono::milliseconds patience() {
  const char* given = std::getenv("BULKHEAD_TEST_PATIENCE_MS");
  return std::chrono::milliseconds{given == nullptr ? 60'000 : std::atoi(given)};
}

} // namespace

TEST_CASE("a worker that has grown says so once") {
  const leak_guard guard;
  pool p{{.workers = 1, .max_memory_per_worker = std::size_t{1} << 30}};
  auto f = p.submit([] {
    const evil_worker w;
    w.say(answer_kind::grown, 0);
    w.say(answer_kind::grown, 0);
    wait_for_the_end();
  });
  REQUIRE(f.wait(patience()));
  CHECK(f.outcome().failure().exit.cause == exit_cause::bad_message);
  CHECK(p.stats().bad_messages == 1);
  CHECK(p.apply([](int x) { return x + 1; }, 41) == 42);
}

namespace {

/// What ended the worker of a task whose pool's workers say so before they serve, and then wait.
exit_cause cause_of_end(callable initializer) {
  pool p{{.workers = 1, .initializer = std::move(initializer), .restart = {.max_restarts = 1}}};
  auto f = p.submit([] { return 1; });
  REQUIRE(f.wait(patience()));
  CHECK(p.stats().bad_messages > 0);
  return f.outcome().failure().exit.cause;
}

} // namespace

TEST_CASE("a worker that is unfit says so once, and why") {
  const leak_guard guard;
  CHECK(cause_of_end([] {
          const evil_worker w;
          w.say(answer_kind::unfit, 0, 0, 8);
          w.say(answer_kind::unfit, 0, 0, 8);
          ::pause();
        })
        == exit_cause::bad_message);
  CHECK(cause_of_end([] {
          evil_worker{}.say(answer_kind::unfit, 0);
          ::pause();
        })
        == exit_cause::bad_message);
}
