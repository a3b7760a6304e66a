// ctest-label: fault
// ctest-timeout: 180
// A host whose memory runs out at any one moment of a worker's death: the death is dealt with, and
// the task has its outcome.
#include "tests/support/eventually.hpp"
#include "tests/support/leak_guard.hpp"

#include <bulkhead/tasks.hpp>

#include <doctest/doctest.h>

#include <unistd.h>

#include <atomic>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <new>

using namespace bulkhead;
using namespace bulkhead::tests;
using namespace std::chrono_literals;

namespace {

std::atomic<long> until_refusal{0}; ///< allocations of the library's threads; 0: none is refused
thread_local bool exempt = false;   ///< the test's own thread

bool refuse() noexcept {
  return !exempt && until_refusal.load(std::memory_order_relaxed) > 0
         && until_refusal.fetch_sub(1, std::memory_order_relaxed) == 1;
}

} // namespace

[[gnu::noinline]] void* operator new(std::size_t size) {
  if (!refuse())
    if (auto* p = std::malloc(size))
      return p;
  throw std::bad_alloc();
}

[[gnu::noinline]] void* operator new(std::size_t size, const std::nothrow_t&) noexcept {
  return refuse() ? nullptr : std::malloc(size);
}

[[gnu::noinline]] void operator delete(void* p) noexcept { std::free(p); }
[[gnu::noinline]] void operator delete(void* p, std::size_t) noexcept { std::free(p); }

namespace {

/// One death, with the n-th allocation meanwhile refused. False: there were not so many.
bool die_without_memory(pool& p, long n, int signal) {
  CAPTURE(n);
  auto doomed = p.submit(
    [](int s) {
      ::raise(s);
      return 0;
    },
    signal);
  until_refusal = n;
  REQUIRE(eventually([&] { return doomed.ready(); }));
  REQUIRE(eventually([&] { return p.workers().size() == 1; }));
  const bool refused = until_refusal.exchange(0) <= 0;
  const auto kind = doomed.outcome().failure().kind; // too_large: no memory to keep its failure
  const bool told = kind == failure_kind::worker_died || kind == failure_kind::too_large;
  CHECK(told);
  REQUIRE(p.submit([] { return 7; }).get(60s) == 7);
  return refused;
}

} // namespace

TEST_CASE("a death is dealt with, whichever allocation fails meanwhile") {
  exempt = true;
  const leak_guard guard;
  pool_options o;
  o.workers = 1;
  o.restart.max_restarts = 100'000; // a launch that is refused counts
  o.restart.backoff_initial = o.restart.backoff_max = 1ms;
  o.on_event = [](const pool_event&) {};
  pool p{o};
  p.apply([] { return 0; });
  for (const int signal : {SIGKILL, SIGABRT})
    for (long n = 1; die_without_memory(p, n, signal) && n < 400; n += n < 60 ? 1 : 7) {
    }
}
