// ctest-label: fault
// ctest-timeout: 180
// How a worker begins, what is told of it, and how it ends before it serves.
#include "tests/support/eventually.hpp"
#include "tests/support/leak_guard.hpp"
#include "tests/support/own_forkserver.hpp"
#include "tests/support/own_usage.hpp"

#include "runtime/system/proc_stat.hpp"

#include <bulkhead/tasks.hpp>

#include <doctest/doctest.h>

#include <poll.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <exception>
#include <mutex>
#include <string>
#include <vector>

using namespace bulkhead;
using namespace bulkhead::tests;
using namespace std::chrono_literals;

namespace {

bool contains(const std::string& text, std::string_view part) {
  return text.find(part) != std::string::npos;
}

/// The text of the first event of one kind.
class listener {
public:
  explicit listener(event_kind kind) : kind_(kind) {}

  std::function<void(const pool_event&)> feed() {
    return [this](const pool_event& e) {
      const std::lock_guard lock{mutex_};
      if (e.kind == kind_ && text_.empty())
        text_ = e.text;
    };
  }
  std::string text() const {
    const std::lock_guard lock{mutex_};
    return text_;
  }

private:
  const event_kind kind_;
  mutable std::mutex mutex_;
  std::string text_;
};

/// The pool's own failure: that of a task that waits for a worker which never serves.
failure end_of_pool(pool& p) {
  try {
    const auto f = p.submit([] { return 1; });
    REQUIRE(f.wait(60s));
    return f.outcome().failure();
  } catch (const pool_broken& e) { // it broke before
    return e.info();
  }
}

volatile int sink;
int* volatile nowhere = nullptr;

// Keeps its name and frame, and crashes where a sanitizer would report instead.
[[gnu::noinline, gnu::noclone, gnu::no_sanitize("undefined"), gnu::no_sanitize_address]] void
crash_at_start() {
  *nowhere = 1;
  sink = 1;
}

void nest_texts(int depth) {
  try {
    if (depth > 0)
      nest_texts(depth - 1);
  } catch (...) {
    std::throw_with_nested(std::runtime_error(std::string(16'000, 'x')));
  }
  throw std::runtime_error(std::string(16'000, 'y'));
}

bool still_runs(int pidfd) {
  pollfd look{pidfd, POLLIN, 0};
  return ::poll(&look, 1, 0) == 0;
}

} // namespace

TEST_CASE("an initializer without an end breaks the pool at its start limit, and no task hangs") {
  const leak_guard guard;
  pool p{{.workers = 1,
          .initializer = call([] { ::pause(); }),
          .restart = {.max_restarts = 1},
          .ready_within = 50ms}};
  const auto f = end_of_pool(p);
  CHECK(f.kind == failure_kind::pool_broken);
  CHECK(f.exit.cause == exit_cause::start_failed);
  CHECK_FALSE(f.may_have_executed);
  CHECK_MESSAGE(contains(f.message, "ready_within"), f.message);
}

TEST_CASE("a worker thread whose initializer does not end breaks its pool, too") {
  static std::atomic<bool> over;
  static std::atomic<int> inside;
  {
    pool p{{.workers = 1,
            .start = start_method::thread,
            .initializer = call([] {
              ++inside;
              over.wait(false);
              --inside;
            }),
            .restart = {.max_restarts = 1},
            .ready_within = 50ms}};
    CHECK(end_of_pool(p).kind == failure_kind::pool_broken);
  }
  over = true;
  over.notify_all();
  CHECK(eventually([] { return inside == 0; }, 60s));
}

TEST_CASE("the start limit spares a worker that serves, however old it is") {
  const leak_guard guard;
  pool p{{.workers = 1, .ready_within = 30s}};
  const auto first = p.apply([] { return static_cast<int>(::getpid()); });
  pool quick{{.workers = 1, .ready_within = 0s}}; // none
  CHECK(quick.apply([] { return 2; }) == 2);
  CHECK(p.apply([] { return static_cast<int>(::getpid()); }) == first);
}

TEST_CASE("workers that stop answering in their start break the pool instead of coming for ever") {
  const leak_guard guard;
  pool p{{.workers = 1,
          .initializer = call([] {
            ::usleep(100'000); // the first beats come
            ::raise(SIGSTOP);
          }),
          .unresponsive_after = 200ms,
          .restart = {.max_restarts = 1}}};
  const auto f = end_of_pool(p);
  CHECK(f.kind == failure_kind::pool_broken);
  CHECK(f.exit.cause == exit_cause::unresponsive);
}

TEST_CASE("a crash in an initializer is told with its place and its last words") {
  const leak_guard guard;
  listener died{event_kind::died};
  pool p{{.workers = 1,
          .name = "shaky",
          .initializer = call([] {
            std::fputs("about to fall\n", stderr);
            crash_at_start();
          }),
          .restart = {.max_restarts = 1},
          .output = output_mode::capture,
          .on_event = died.feed()}};
  const auto f = end_of_pool(p);
  CHECK(f.kind == failure_kind::pool_broken);
  CHECK_MESSAGE(contains(f.message, "in its initializer"), f.message);
  CHECK_MESSAGE(contains(f.backtrace, "crash_at_start"), f.backtrace);
  CHECK_MESSAGE(contains(f.last_output, "about to fall"), f.last_output);
  CHECK(eventually([&] { return contains(died.text(), "in its initializer"); }, 60s));
  CHECK_MESSAGE(died.text().starts_with("worker 1 (pid "), died.text());
  CHECK_MESSAGE(contains(died.text(), "of pool 'shaky' was killed by SIGSEGV"), died.text());
}

TEST_CASE("an initializer may fail with a text that is larger than the ring") {
  const leak_guard guard;
  pool p{{.workers = 1,
          .initializer = call([] { nest_texts(7); }),
          .restart = {.max_restarts = 1},
          .ring_capacity = std::size_t{64} << 10}};
  const auto f = end_of_pool(p);
  CHECK(f.kind == failure_kind::pool_broken);
  CHECK(contains(f.message, "runtime_error"));
}

TEST_CASE("a worker tells which task it runs, since when, and shows its pool's name") {
  const leak_guard guard;
  pool p{{.workers = 1, .name = "a pool with a long name"}};
  auto quick = p.submit([] { return 1; });
  quick.get();
  CHECK(p.workers().at(0).task == 0);
  auto endless = p.submit([] { ::pause(); });
  REQUIRE(eventually([&] { return p.workers().at(0).task == endless.id(); }, 60s));
  CHECK(eventually([&] { return p.workers().at(0).task_runs > 0ns; }, 60s));
  const auto busy = p.workers().at(0);
  std::string name(32, '\0');
  const auto path = "/proc/" + std::to_string(busy.pid) + "/comm";
  auto* file = std::fopen(path.c_str(), "r");
  REQUIRE(file != nullptr);
  name.resize(std::fread(name.data(), 1, name.size(), file));
  std::fclose(file);
  CHECK(name == "bh:a pool wit/1\n");
}

TEST_CASE("futures that are kept keep little of their pools") {
  const leak_guard guard;
  std::vector<future<int>> kept;
  const auto before = own_descriptors();
  for (int i = 0; i < 10; ++i) {
    pool p{{.workers = 4}};
    kept.push_back(p.submit([](int x) { return x; }, i));
    kept.back().wait();
  }
  CHECK(own_descriptors() <= before + 10 * 3); // workers took 12 more of each
  for (int i = 0; i < 10; ++i)
    CHECK(kept[static_cast<std::size_t>(i)].get() == i);
}

TEST_CASE("a forkserver that is stopped keeps no other pool from its limits") {
  const leak_guard guard;
  pool waits{{.workers = 1}};
  pool works{{.workers = 1}};
  CHECK(waits.apply([] { return 1; }) == 1);
  CHECK(works.apply([] { return 1; }) == 1);
  const auto server = runtime::forkserver::common(std::chrono::steady_clock::now() + 60s)->pid();
  const int fd = static_cast<int>(::syscall(SYS_pidfd_open, server, 0));
  REQUIRE(fd >= 0);
  REQUIRE(::kill(server, SIGSTOP) == 0);
  const auto lost = waits.workers().at(0).pid;
  ::kill(lost, SIGKILL);
  REQUIRE(eventually([&] { return waits.workers().empty(); }, 60s));
  const auto late = works.with({.timeout = 20ms}).submit([] { ::pause(); }).outcome();
  CHECK(late.failure().kind == failure_kind::timeout);
  CHECK(
    still_runs(fd)); // it is replaced when a launch has waited for it: that was not awaited here
  ::kill(server, SIGCONT);
  ::close(fd);
  CHECK(waits.apply([] { return 2; }) == 2);
}

TEST_CASE("the kernel's count of processes killed for memory is found in its text, or is none") {
  CHECK(runtime::oom_kills_in("nr_free_pages 5\noom_kill 17\nnuma_hit 3\n") == 17);
  CHECK(runtime::oom_kills_in("oom_kill 3") == 3);
  CHECK(runtime::oom_kills_in("drop_oom_kill 3\noom_kill_x 4\n") == 0);
  CHECK(runtime::oom_kills_in("oom_kill \n") == 0);
  CHECK(runtime::oom_kills_in("") == 0);
}
