// ctest-label: fault
// ctest-timeout: 300
#include "tests/support/history.hpp"
#include "tests/support/leak_guard.hpp"

#include <bulkhead/tasks.hpp>

#include <doctest/doctest.h>

#include <sys/resource.h>
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <cstdlib>
#include <map>
#include <mutex>
#include <new>
#include <set>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

using namespace bulkhead;
using namespace bulkhead::tests;
using namespace std::chrono_literals;

namespace {

void loop_for_ever() {
  volatile bool for_ever = true;
  while (for_ever) {
  }
}

void spin_for(std::chrono::nanoseconds time) {
  const auto end = std::chrono::steady_clock::now() + time;
  while (std::chrono::steady_clock::now() < end) {
  }
}

int obey() {
  while (!this_worker::stop_requested()) {
  }
  return 5;
}

template <class T>
failure failure_of(const future<T>& f) {
  REQUIRE(f.wait(60s));
  REQUIRE(!f.outcome().has_value());
  return f.outcome().failure();
}

/// Allocates and touches; the memory stays with the worker.
void grow_by(std::size_t bytes) {
  auto* p = static_cast<volatile char*>(std::malloc(bytes));
  for (std::size_t i = 0; p != nullptr && i < bytes; i += 4096)
    p[i] = 1;
}

/// Counts a pool's events.
struct counter {
  std::mutex mutex;
  std::map<event_kind, int> seen;
  std::string broken;

  std::function<void(const pool_event&)> feed() {
    return [this](const pool_event& e) {
      const std::lock_guard lock{mutex};
      ++seen[e.kind];
      if (e.kind == event_kind::broken)
        broken = e.text;
    };
  }
  int of(event_kind kind) {
    const std::lock_guard lock{mutex};
    return seen[kind];
  }
};

} // namespace

TEST_CASE("a hard limit ends the task and its worker, and only them") {
  const leak_guard guard;
  pool p{{.workers = 2, .task_timeout = 100ms}};
  auto endless = p.submit(loop_for_ever);
  std::vector<future<int>> others;
  for (int i = 0; i < 100; ++i)
    others.push_back(p.submit([](int x) { return x; }, i));
  const auto f = failure_of(endless);
  CHECK(f.kind == failure_kind::timeout);
  CHECK(f.exit.cause == exit_cause::timed_out);
  CHECK(f.may_have_executed);
  for (int i = 0; i < 100; ++i)
    CHECK(others[static_cast<std::size_t>(i)].get() == i);
}

TEST_CASE("the hard limit counts from the start of the task, not from submit") {
  const leak_guard guard;
  pool p{{.workers = 1}};
  auto first = p.submit([] { spin_for(400ms); });
  auto second = p.with({.timeout = 300ms}).submit([] { return 2; });
  first.get();
  CHECK(second.get() == 2);
}

TEST_CASE("in a map the limit holds for each item") {
  const leak_guard guard;
  const witness seen{40};
  pool p{{.workers = 2, .initializer = call(&witness::open, seen.path())}};
  std::vector<int> items;
  for (int i = 0; i < 40; ++i)
    items.push_back(i);
  history h;
  const auto all = p.with({.timeout = 200ms})
                     .try_map(
                       [](int i) {
                         witness::start(static_cast<std::size_t>(i));
                         if (i == 17)
                           loop_for_ever();
                         witness::end(static_cast<std::size_t>(i));
                         return i;
                       },
                       items, {.chunk = 20});
  for (std::size_t i = 0; i < all.size(); ++i) {
    h.submitted(i);
    h.ended(i, all[i]);
  }
  CHECK(h.violations(seen) == "");
  CHECK(h.values() == 39);
  CHECK(all[17].failure().kind == failure_kind::timeout);
}

TEST_CASE("a soft limit asks first; who obeys keeps its result and its worker") {
  const leak_guard guard;
  pool p{{.workers = 1, .grace = 20s}};
  const auto pid = p.apply(::getpid);
  CHECK(p.with({.soft_timeout = 30ms}).apply(obey) == 5);
  CHECK(p.apply(::getpid) == pid);
}

TEST_CASE("who ignores the soft limit is killed after the grace") {
  const leak_guard guard;
  pool p{{.workers = 1, .grace = 50ms}};
  const auto f = failure_of(p.with({.soft_timeout = 30ms}).submit(loop_for_ever));
  CHECK(f.kind == failure_kind::timeout);
  CHECK(f.exit.cause == exit_cause::timed_out);
  CHECK(p.apply([] { return 1; }) == 1);
}

TEST_CASE("expired work never starts") {
  const leak_guard guard;
  const witness seen{40};
  pool p{{.workers = 1, .initializer = call(&witness::open, seen.path())}};
  auto busy = p.submit([] { spin_for(200ms); });
  history h;
  std::vector<future<void>> late;
  for (int i = 0; i < 40; ++i) {
    h.submitted(static_cast<std::size_t>(i));
    late.push_back(p.with({.deadline = i % 2 == 0 ? 20ms : 1ns})
                     .submit([](int n) { witness::start(static_cast<std::size_t>(n)); }, i));
  }
  for (std::size_t i = 0; i < late.size(); ++i) {
    const auto f = failure_of(late[i]);
    CHECK(f.kind == failure_kind::timeout);
    CHECK(!f.may_have_executed);
    h.failed(i, f);
  }
  CHECK(h.violations(seen) == "");
  busy.get();
  CHECK(p.with({.deadline = std::chrono::nanoseconds::max()}).apply([] { return 3; }) == 3);
  CHECK(p.with({.timeout = std::chrono::nanoseconds::max()}).apply([] { return 4; }) == 4);
}

TEST_CASE("retries end with their budget, exceptions are not retried") {
  const leak_guard guard;
  const witness seen{2};
  pool p{{.workers = 2, .initializer = call(&witness::open, seen.path()), .poison_after = 0}};
  const auto f = failure_of(p.with({.retries = 3}).submit([] {
    witness::start(0);
    ::raise(SIGKILL);
  }));
  CHECK(f.kind == failure_kind::worker_died);
  CHECK(seen.starts(0) == 4);
  CHECK(p.stats().retried == 3);
  const auto g = failure_of(p.with({.retries = 3}).submit([] {
    witness::start(1);
    throw std::runtime_error("mine");
  }));
  CHECK(g.kind == failure_kind::task_exception);
  CHECK(seen.starts(1) == 1);
}

TEST_CASE("a poison task is quarantined, 10,000 good ones have their values") {
  const leak_guard guard;
  counter events;
  pool p{{.workers = 2, .retries = 100, .on_event = events.feed()}};
  std::vector<int> items;
  for (int i = 0; i < 10'001; ++i)
    items.push_back(i);
  const auto all = p.try_map(
    [](int i) {
      if (i == 5000)
        ::raise(SIGSEGV);
      return i;
    },
    items);
  for (std::size_t i = 0; i < all.size(); ++i)
    if (i != 5000)
      REQUIRE(all[i].value() == static_cast<int>(i));
  CHECK(all[5000].failure().kind == failure_kind::poisoned);
  CHECK(all[5000].failure().exit.signal == SIGSEGV);
  CHECK(p.stats().restarts == 3);
  p.terminate();
  CHECK(events.of(event_kind::quarantined) == 1);
}

TEST_CASE("recycling by count is exact while many threads submit") {
  const leak_guard guard;
  counter events;
  pool p{{.workers = 3, .max_tasks_per_worker = 1, .on_event = events.feed()}};
  std::vector<std::thread> threads;
  std::mutex mutex;
  std::multiset<pid_t> pids;
  for (int t = 0; t < 8; ++t)
    threads.emplace_back([&] {
      for (int i = 0; i < 40; ++i) {
        const auto pid = p.apply(::getpid);
        const std::lock_guard lock{mutex};
        pids.insert(pid);
      }
    });
  for (auto& t : threads)
    t.join();
  CHECK(pids.size() == 320);
  CHECK(p.stats().restarts == 0);
  while (p.stats().recycled < 317 - 3) // counted when they have been reaped
    std::this_thread::yield();
}

TEST_CASE("recycling by age replaces an idle worker too") {
  const leak_guard guard;
  pool p{{.workers = 1, .max_age_per_worker = 50ms}};
  const auto first = p.apply(::getpid);
  while (p.apply(::getpid) == first) {
  }
  CHECK(p.stats().restarts == 0);
}

TEST_CASE("a worker that grew is replaced between tasks") {
  const leak_guard guard;
  pool p{{.workers = 1, .max_memory_per_worker = std::size_t{150} << 20}};
  std::set<pid_t> pids;
  while (pids.size() < 4) {
    p.submit(grow_by, std::size_t{30} << 20).outcome();
    pids.insert(p.apply(::getpid));
  }
  for (const auto& w : p.workers())
    CHECK(w.rss_bytes < std::size_t{300} << 20);
}

TEST_CASE("a task beyond the memory limit is ended with its cause") {
  const leak_guard guard;
  pool p{{.workers = 2, .max_memory_per_worker = std::size_t{150} << 20}};
  const auto f = failure_of(p.submit([] {
    grow_by(std::size_t{300} << 20);
    loop_for_ever();
  }));
  CHECK(f.kind == failure_kind::worker_died);
  CHECK(f.exit.cause == exit_cause::memory_limit);
  CHECK(p.apply([] { return 1; }) == 1);
}

#if !defined(__SANITIZE_ADDRESS__) // its shadow memory is larger than any limit
TEST_CASE("under a limit of address space bad_alloc is an exception and the worker lives") {
  const leak_guard guard;
  pool p{{.workers = 1, .limits = {.address_space = std::uint64_t{2} << 30}}};
  const auto pid = p.apply(::getpid);
  const auto& f =
    failure_of(p.submit([] { return std::vector<char>(std::size_t{4} << 30).size(); }));
  CHECK(f.kind == failure_kind::task_exception);
  CHECK(f.type == "std::bad_alloc");
  CHECK(p.apply(::getpid) == pid);
}
#endif

TEST_CASE("limits of processor time, file size and descriptors are named") {
  const leak_guard guard;
  pool p{{.workers = 1, .limits = {.cpu_time = 1s, .open_files = 40, .file_size = 4096}}};
  CHECK(failure_of(p.submit(loop_for_ever)).exit.cause == exit_cause::cpu_limit);
  const auto opened = p.apply([] {
    std::vector<int> copies;
    for (int fd = ::dup(0); fd >= 0; fd = ::dup(0))
      copies.push_back(fd);
    for (const int fd : copies)
      ::close(fd);
    return copies.size();
  });
  CHECK(opened < 40);
  const auto f = failure_of(p.submit([] {
    std::FILE* file = std::tmpfile();
    std::vector<char> bytes(8192);
    std::fwrite(bytes.data(), 1, bytes.size(), file);
    std::fflush(file);
  }));
  CHECK(f.exit.signal == SIGXFSZ);
  CHECK(p.apply([] {
    rlimit r{};
    ::getrlimit(RLIMIT_CORE, &r);
    return static_cast<std::uint64_t>(r.rlim_cur);
  }) == 0);
}

TEST_CASE("a stopped worker is unresponsive: it is killed and its task has its outcome") {
  const leak_guard guard;
  pool p{{.workers = 2, .unresponsive_after = 200ms}};
  const auto f = failure_of(p.submit([] { ::raise(SIGSTOP); }));
  CHECK(f.kind == failure_kind::worker_died);
  CHECK(f.exit.cause == exit_cause::unresponsive);
  CHECK(p.apply([] { return 1; }) == 1);
}

TEST_CASE("a task that is only long is not unresponsive") {
  const leak_guard guard;
  pool p{{.workers = 1, .unresponsive_after = 100ms}};
  CHECK(p.apply([] {
    spin_for(1s);
    return 8;
  }) == 8);
  CHECK(p.stats().restarts == 0);
}

TEST_CASE("an initializer that always fails breaks the pool, whatever way it fails") {
  const leak_guard guard;
  struct variant {
    const char* name;
    callable initializer;
    const char* in_text;
  };
  const variant all[] = {
    {"throws", [] { throw std::runtime_error("no licence"); }, "no licence"},
    {"crashes", [] { ::raise(SIGSEGV); }, "SIGSEGV"},
    {"exits", [] { ::_exit(9); }, "9"},
    {"is killed", [] { ::raise(SIGKILL); }, "SIGKILL"},
  };
  for (const auto& v : all) {
    CAPTURE(std::string(v.name));
    counter events;
    pool p{{.workers = 2,
            .initializer = v.initializer,
            .restart = {.backoff_initial = 1ms, .backoff_max = 5ms},
            .on_event = events.feed()}};
    std::vector<future<int>> tasks;
    try {
      for (int i = 0; i < 20; ++i)
        tasks.push_back(p.submit([] { return 1; }));
    } catch (const pool_broken&) { // it was quick
    }
    for (const auto& t : tasks) {
      const auto f = failure_of(t);
      CHECK(f.kind == failure_kind::pool_broken);
      CHECK(f.message.find(v.in_text) != std::string::npos);
      CHECK(!f.may_have_executed);
    }
    while (events.of(event_kind::broken) == 0)
      std::this_thread::yield();
    CHECK_THROWS_AS(p.submit([] { return 1; }), pool_broken);
    CHECK(events.of(event_kind::started) <= 20);
    CHECK(events.broken.find(v.in_text) != std::string::npos);
  }
}

TEST_CASE("an initializer that fails only in replacements lets running tasks end, then breaks") {
  const leak_guard guard;
  const witness seen{1};
  pool p{{.workers = 1,
          .initializer = call(
            [](const std::string& path) {
              witness::open(path);
              if (!witness::first_of_all())
                throw std::runtime_error("only once");
            },
            seen.path()),
          .restart = {.backoff_initial = 1ms, .backoff_max = 5ms}}};
  CHECK(p.apply([] { return 1; }) == 1);
  CHECK(failure_of(p.submit([] { ::raise(SIGKILL); })).kind == failure_kind::worker_died);
  auto after = p.submit([] { return 2; });
  CHECK(failure_of(after).kind == failure_kind::pool_broken);
}

TEST_CASE("a storm of restarts is slowed down and ends in a broken pool") {
  const leak_guard guard;
  counter events;
  pool p{{.workers = 1,
          .restart = {.max_restarts = 5, .backoff_initial = 1ms, .backoff_max = 20ms},
          .on_event = events.feed()}};
  for (;;) {
    auto all = p.workers();
    try {
      p.submit([] { return 1; }).get();
      all = p.workers();
    } catch (const pool_broken& e) {
      CHECK(e.info().exit.signal == SIGKILL);
      break;
    }
    const auto deaths = p.stats().restarts;
    ::kill(all.at(0).pid, SIGKILL);
    while (p.stats().restarts == deaths)
      std::this_thread::yield();
  }
  p.terminate();
  CHECK(events.of(event_kind::started) <= 7);
  CHECK(events.of(event_kind::restarting) >= 1);
  CHECK(events.of(event_kind::broken) == 1);
}

namespace {

/// Ends with terminate(), which must be bounded; a watchdog catches what is not.
template <class Fault>
void end_with(const char* name, Fault&& fault, std::size_t workers = 2) {
  CAPTURE(std::string(name));
  const leak_guard guard;
  std::vector<future<void>> all;
  {
    pool p{{.workers = workers, .grace = 100ms}};
    p.broadcast([] {});
    fault(p, all);
  }
  for (const auto& f : all)
    CHECK(f.ready());
}

} // namespace

TEST_CASE("the end of a pool is bounded whatever its tasks do") {
  end_with("loops", [](pool& p, auto& all) {
    for (int i = 0; i < 10; ++i)
      all.push_back(p.submit(loop_for_ever));
  });
  end_with("deadlock", [](pool& p, auto& all) {
    all.push_back(p.submit([] {
      std::mutex m;
      m.lock();
      m.lock();
    }));
  });
  end_with("stopped workers", [](pool& p, auto& all) {
    for (const auto& w : p.workers())
      ::kill(w.pid, SIGSTOP);
    for (int i = 0; i < 10; ++i)
      all.push_back(p.submit([] {}));
  });
  end_with("signals blocked", [](pool& p, auto& all) {
    for (int i = 0; i < 2; ++i)
      all.push_back(p.submit([] {
        sigset_t every;
        sigfillset(&every);
        ::pthread_sigmask(SIG_SETMASK, &every, nullptr);
        loop_for_ever();
      }));
  });
  end_with("full ring, stopped reader", [](pool& p, auto& all) {
    const std::vector<char> big(1 << 20);
    for (const auto& w : p.workers())
      ::kill(w.pid, SIGSTOP);
    for (int i = 0; i < 20; ++i)
      all.push_back(p.submit([](const std::vector<char>&) {}, big));
  });
}

TEST_CASE("join with a timeout returns although a task never ends") {
  const leak_guard guard;
  pool p{{.workers = 1, .grace = 50ms}};
  auto f = p.submit(loop_for_ever);
  p.close();
  CHECK(!p.join(100ms));
  p.terminate();
  CHECK(failure_of(f).kind == failure_kind::cancelled);
}

TEST_CASE("a task of exactly any size is served with the smallest ring") {
  const leak_guard guard;
  for (const auto start : {start_method::forkserver, start_method::thread}) {
    pool p{{.workers = 1, .start = start, .ring_capacity = 64 * 1024}};
    for (const std::size_t bytes : {0UL, 1UL, 16'000UL, 16'384UL, 32'768UL, 65'300UL, 65'440UL,
                                    65'535UL, 65'536UL, 65'537UL, 200'000UL})
      REQUIRE(p.submit([](const std::string& text) { return text; }, std::string(bytes, 'x'))
                .get(60s)
                .size()
              == bytes);
  }
}
