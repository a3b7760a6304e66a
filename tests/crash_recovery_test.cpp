// ctest-label: fault
// ctest-timeout: 240
#include "tests/support/eventually.hpp"
#include "tests/support/history.hpp"
#include "tests/support/leak_guard.hpp"

#include <bulkhead/tasks.hpp>

#include <doctest/doctest.h>

#include <sys/mman.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <cstring>
#include <numeric>
#include <stdexcept>
#include <string>
#include <vector>

using namespace bulkhead;
using namespace bulkhead::tests;
using namespace std::chrono_literals;

/// Seen in the backtrace: external linkage.
[[gnu::noinline]] void fall_over_in_public() {
  int* volatile nowhere = nullptr;
  *nowhere = 1;
  asm volatile("" ::: "memory"); // no tail call, and no thought that this has no effect
}

namespace {

[[gnu::noinline]] void fall_over_in_private() {
  int* volatile nowhere = nullptr;
  *nowhere = 2;
  asm volatile("" ::: "memory");
}

[[gnu::noinline]] unsigned dig(unsigned depth) {
  volatile char frame[4096];
  std::memset(const_cast<char*>(frame), static_cast<int>(depth & 0x7f), sizeof frame);
  return depth == 0 ? 0U : dig(depth + 1) + static_cast<unsigned>(frame[7]);
}

[[gnu::noinline]] void throw_something() { throw std::runtime_error("out of noexcept"); }
[[gnu::noinline]] void leave_noexcept() noexcept { throw_something(); }

[[gnu::noinline]] void eat_memory() {
  constexpr std::size_t bytes = std::size_t{2} << 30;
  void* at = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE,
                    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  auto* touch = static_cast<volatile char*>(at);
  for (std::size_t i = 0; i < std::size_t{600} << 20; i += 4096)
    touch[i] = 1;
  for (;;) // the host has seen it by now, or will
    ::pause();
}

[[gnu::noinline, gnu::no_sanitize("undefined")]] void divide(int by) {
  volatile int numerator = 1;
  numerator = numerator / by;
  asm volatile("" ::: "memory");
}

enum class way {
  segv,
  private_segv,
  bus,
  fpe,
  ill,
  sigkill,
  exit_0,
  std_exit_0,
  quick_exit_0,
  exit_3,
  abort,
  overflow,
  noexcept_throw,
  memory
};

void die(way how) {
  switch (how) {
  case way::segv:
    return fall_over_in_public();
  case way::private_segv:
    return fall_over_in_private();
  case way::bus:
    ::raise(SIGBUS);
    return;
  case way::fpe:
    return divide(0);
  case way::ill:
    __builtin_trap();
  case way::sigkill:
    ::kill(::getpid(), SIGKILL);
    return;
  case way::exit_0:
    ::_exit(0);
  case way::std_exit_0:
    std::exit(0);
  case way::quick_exit_0:
    std::quick_exit(0);
  case way::exit_3:
    ::_exit(3);
  case way::abort:
    std::abort();
  case way::overflow:
    static_cast<void>(dig(1));
    return;
  case way::noexcept_throw:
    return leave_noexcept();
  case way::memory:
    return eat_memory();
  }
}

constexpr int victim = 617;

int run_item(int item, way how) {
  witness::start(static_cast<std::size_t>(item));
  if (item == victim)
    die(how);
  witness::end(static_cast<std::size_t>(item));
  return item * 3;
}

struct expectation {
  const char* name;
  way how;
  int code;
  int signal;
  exit_cause cause;
  const char* in_backtrace; ///< null: none is asked for
};

const expectation table[] = {
  {"null write", way::segv, 0, SIGSEGV, exit_cause::crashed, "fall_over_in_public"},
  {"null write in a static function", way::private_segv, 0, SIGSEGV, exit_cause::crashed,
   "fall_over_in_private"},
  {"SIGBUS", way::bus, 0, SIGBUS, exit_cause::crashed, nullptr},
  {"division by zero", way::fpe, 0, SIGFPE, exit_cause::crashed, "divide"},
  {"illegal instruction", way::ill, 0, SIGILL, exit_cause::crashed, nullptr},
  {"SIGKILL", way::sigkill, 0, SIGKILL, exit_cause::killed, nullptr},
  {"_exit(0)", way::exit_0, 0, 0, exit_cause::exited, nullptr},
  {"exit(0)", way::std_exit_0, 0, 0, exit_cause::exited, nullptr},
  {"quick_exit(0)", way::quick_exit_0, 0, 0, exit_cause::exited, nullptr},
  {"_exit(3)", way::exit_3, 3, 0, exit_cause::exited, nullptr},
  {"abort", way::abort, 0, SIGABRT, exit_cause::crashed, "abort"},
  {"stack overflow", way::overflow, 0, SIGSEGV, exit_cause::crashed, "dig"},
  {"exception out of noexcept", way::noexcept_throw, 0, SIGABRT, exit_cause::crashed,
   "leave_noexcept"},
  {"memory limit", way::memory, 0, SIGKILL, exit_cause::memory_limit, nullptr},
};

using item_type = std::pair<int, way>;

void check_one_casualty(const expectation& e, pool& p, const witness& seen,
                        const std::vector<outcome<int>>& all) {
  history h;
  int lost = 0;
  for (std::size_t i = 0; i < all.size(); ++i) {
    h.submitted(i);
    h.ended(i, all[i]);
    if (all[i].has_value())
      CHECK(all[i].value() == static_cast<int>(i) * 3);
    else
      ++lost;
  }
  CHECK(h.violations(seen) == "");
  CHECK(lost == 1);
  REQUIRE(!all[victim].has_value());
  const auto& f = all[victim].failure();
  CHECK(f.kind == failure_kind::worker_died);
  CHECK(f.exit.cause == e.cause);
  CHECK(f.exit.signal == e.signal);
  CHECK(f.exit.code == e.code);
  CHECK(f.may_have_executed);
  CHECK(f.worker > 0);
  if (e.in_backtrace != nullptr)
    CHECK_MESSAGE(f.backtrace.find(e.in_backtrace) != std::string::npos, to_string(f));
  if (e.how == way::overflow)
    CHECK(f.message.find("stack overflow") != std::string::npos);
  CHECK(p.stats().restarts == 1);
  CHECK(p.stats().succeeded == 999);
  CHECK(p.stats().failed == 1);
}

void crash_in_a_chunk(const expectation& e, start_method start) {
  CAPTURE(std::string(e.name));
  const leak_guard guard;
  const witness seen{1000};
  pool p{{.workers = 2,
          .start = start,
          .initializer = call(&witness::open, seen.path()),
          .max_memory_per_worker = e.how == way::memory ? std::size_t{300} << 20 : 0}};
  std::vector<item_type> items;
  for (int i = 0; i < 1000; ++i)
    items.push_back({i, e.how});
  const auto all = p.try_map([](const item_type& x) { return run_item(x.first, x.second); }, items,
                             {.chunk = 250});
  REQUIRE(all.size() == 1000);
  check_one_casualty(e, p, seen, all);
  CHECK(p.apply([] { return 7; }) == 7);
  CHECK(eventually([&] { return p.workers().size() == 2; }));
}

} // namespace

TEST_CASE("one crash in a chunk of 250 costs one item of 1000, whatever the crash") {
  for (const auto& e : table)
    crash_in_a_chunk(e, start_method::forkserver);
}

TEST_CASE("the same with workers made by exec") {
  for (const auto& e : table)
    if (e.how == way::segv || e.how == way::sigkill || e.how == way::overflow)
      crash_in_a_chunk(e, start_method::spawn);
}

TEST_CASE("a pool whose every worker dies in one instant loses what was running and no more") {
  const leak_guard guard;
  for (const std::size_t workers : {1U, 2U, 5U, 13U}) {
    CAPTURE(workers);
    const witness seen{400};
    pool p{{.workers = workers, .initializer = call(&witness::open, seen.path())}};
    history h;
    std::vector<future<int>> all;
    for (int i = 0; i < 400; ++i) {
      h.submitted(static_cast<std::size_t>(i));
      all.push_back(p.submit(
        [](int n) {
          witness::start(static_cast<std::size_t>(n));
          const auto until = std::chrono::steady_clock::now() + 50us;
          while (std::chrono::steady_clock::now() < until) {
          }
          witness::end(static_cast<std::size_t>(n));
          return n;
        },
        i));
    }
    all[50].wait();
    for (const auto& w : p.workers())
      ::kill(w.pid, SIGKILL);
    for (std::size_t i = 0; i < all.size(); ++i)
      h.ended(i, all[i].outcome());
    CHECK(h.violations(seen) == "");
    CHECK(h.count(failure_kind::worker_died) <= workers);
    CHECK(h.values() >= 400 - workers);
  }
}
