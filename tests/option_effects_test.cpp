// ctest-timeout: 120
// ctest-label: fault
// Options of pools and tasks, each seen by what it changes in a real worker.
#include "tests/support/eventually.hpp"
#include "tests/support/leak_guard.hpp"

#include <bulkhead/tasks.hpp>

#include <doctest/doctest.h>

#include <dlfcn.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <set>
#include <stdexcept>
#include <string>
#include <vector>

using namespace bulkhead;
using namespace bulkhead::tests;
using namespace std::chrono_literals;

namespace {

constexpr auto long_enough = 60s; // a watchdog, not a measure

using pids = queue<pid_t>;

void say_end(pids ended) { ended.put(::getpid()); }
void until_set(event gate) { gate.wait(); }
pid_t own_pid() { return ::getpid(); }

bool polls_readable(int fd) {
  pollfd look{fd, POLLIN, 0};
  return ::poll(&look, 1, 0) == 1;
}

void leak_memory(std::size_t bytes) {
  auto* p = static_cast<volatile char*>(std::malloc(bytes));
  for (std::size_t i = 0; p != nullptr && i < bytes; i += 4096)
    p[i] = 1;
}

int leak_descriptor() { return ::open("/dev/null", O_RDONLY | O_CLOEXEC); }

void leak_nothing() {}

/// What OpenMP would use, where its library is loaded after the start of the worker.
int threads_of_openmp() {
  auto* library = ::dlopen("libgomp.so.1", RTLD_NOW | RTLD_GLOBAL);
  if (library == nullptr)
    return -1;
  return reinterpret_cast<int (*)()>(::dlsym(library, "omp_get_max_threads"))();
}

std::set<pid_t> all_of(pids& from) {
  std::set<pid_t> all;
  while (const auto pid = from.try_get())
    all.insert(*pid);
  return all;
}

} // namespace

TEST_CASE("the finalizer runs in each worker that ends in order, and in none that is killed") {
  const leak_guard guard;
  pids ended;
  {
    pool p{{.workers = 2, .finalizer = call(say_end, ended)}};
    const auto before = p.broadcast(own_pid);
    p.shutdown();
    CHECK(all_of(ended) == std::set<pid_t>(before.begin(), before.end()));
  }
  {
    pool p{{.workers = 1, .finalizer = call(say_end, ended), .max_tasks_per_worker = 1}};
    const auto first = p.apply(own_pid);
    CHECK(ended.get(long_enough) == first); // it was recycled
    p.terminate();
  }
  all_of(ended);
  pool p{{.workers = 1, .finalizer = call(say_end, ended)}};
  p.apply(own_pid);
  p.terminate();
  CHECK(ended.empty());
}

TEST_CASE("tasks of one key run in one worker") {
  const leak_guard guard;
  pool p{{.workers = 3, .dispatch = dispatch_policy::key_hash}};
  std::map<std::string, std::set<pid_t>> ran;
  for (int i = 0; i < 60; ++i) {
    const auto key = "key " + std::to_string(i % 12);
    ran[key].insert(p.with({.key = key}).apply(own_pid));
  }
  std::set<pid_t> workers;
  for (const auto& [key, where] : ran) {
    CHECK(where.size() == 1);
    workers.insert(where.begin(), where.end());
  }
  CHECK(workers.size() > 1);
}

TEST_CASE("round robin gives each worker its turn, and random reaches all") {
  const leak_guard guard;
  pool turns{{.workers = 3, .dispatch = dispatch_policy::round_robin}};
  turns.broadcast([] {}); // who still starts is passed over
  std::vector<pid_t> order;
  for (int i = 0; i < 9; ++i)
    order.push_back(turns.apply(own_pid));
  CHECK(std::set<pid_t>(order.begin(), order.begin() + 3).size() == 3);
  CHECK(std::equal(order.begin(), order.begin() + 6, order.begin() + 3));
  pool any{{.workers = 3, .dispatch = dispatch_policy::random}};
  std::set<pid_t> reached;
  CHECK(eventually([&] { return reached.insert(any.apply(own_pid)), reached.size() == 3; }));
}

TEST_CASE("of what waits, higher priorities go first") {
  const leak_guard guard;
  pool p{{.workers = 1}};
  event gate;
  queue<int> order;
  const auto say = [](queue<int> to, int which) { to.put(which); };
  auto blocker = p.submit(until_set, gate);
  // More than a worker takes ahead, so that the last ones wait in the backlog.
  std::vector<future<void>> all;
  while (p.stats().queued < 4)
    all.push_back(p.submit(say, order, 0));
  all.push_back(p.with({.priority = -1}).submit(say, order, -1));
  all.push_back(p.with({.priority = 5}).submit(say, order, 5));
  gate.set();
  REQUIRE(wait_all(all, long_enough));
  std::vector<int> seen;
  while (const auto which = order.try_get())
    seen.push_back(*which);
  CHECK(seen.back() == -1);
  const auto urgent = std::find(seen.begin(), seen.end(), 5);
  CHECK(seen.end() - urgent > 4); // before those that waited in the backlog
}

TEST_CASE("a task knows its nearest limit") {
  const leak_guard guard;
  pool p{{.workers = 1}};
  const auto left = [] {
    const auto end = this_task::deadline();
    return end ? *end - std::chrono::steady_clock::now() : std::chrono::nanoseconds{0};
  };
  CHECK(p.apply(left) == 0ns);
  const auto of_timeout = p.with({.timeout = 1h}).apply(left);
  CHECK(of_timeout > 30min);
  CHECK(of_timeout <= 1h);
  const auto of_both = p.with({.timeout = 2h, .deadline = 1h}).apply(left);
  CHECK(of_both > 30min);
  CHECK(of_both <= 1h);
}

TEST_CASE("the counts say where tasks are, and how often they came back") {
  const leak_guard guard;
  pool p{{.workers = 2}};
  event gate;
  auto first = p.submit(until_set, gate);
  REQUIRE(eventually([&] { return first.running(); }));
  CHECK(p.stats().in_flight == 1);
  CHECK(p.stats().submitted == 1);
  std::vector<future<void>> more;
  for (int i = 0; i < 4; ++i)
    more.push_back(p.submit(until_set, gate));
  CHECK(eventually([&] { return p.stats().in_flight + p.stats().queued == 5; }));
  for (const auto& w : p.workers())
    if (w.task == first.id())
      ::kill(w.pid, SIGKILL);
  CHECK_THROWS_AS(first.get(long_enough), worker_died);
  gate.set();
  REQUIRE(wait_all(more, long_enough));
  const auto s = p.stats();
  CHECK(s.succeeded == 4);
  CHECK(s.failed == 1);
  CHECK(s.restarts == 1);
  CHECK(s.queued + s.in_flight == 0);
}

TEST_CASE("the last output of a worker is in the failure of the task that it died of") {
  const leak_guard guard;
  pool p{{.workers = 1, .output = output_mode::capture}};
  const auto last_words = [] {
    std::puts("the sprocket is loose");
    std::fflush(stdout);
    ::kill(::getpid(), SIGKILL);
  };
  const auto o = p.submit(last_words).outcome();
  REQUIRE(!o.has_value());
  CHECK(o.failure().last_output == "the sprocket is loose\n");
}

TEST_CASE("workers have the CPUs, the niceness and the limits that were asked for") {
  const leak_guard guard;
  cpu_set_t mine;
  REQUIRE(::sched_getaffinity(0, sizeof mine, &mine) == 0);
  int cpu = 0;
  while (!CPU_ISSET(cpu, &mine))
    ++cpu;
  const int niceness = ::getpriority(PRIO_PROCESS, 0);
  rlimit most{};
  ::getrlimit(RLIMIT_NPROC, &most);
  const auto processes = std::min<std::uint64_t>(most.rlim_cur, 12'345);
  pool p{{.workers = 1,
          .limits = {.stack_size = 1 << 20, .processes = processes},
          .affinity = {cpu},
          .nice = niceness < 19 ? 1 : 0}};
  const auto cpus = [] {
    cpu_set_t set;
    return ::sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 0;
  };
  CHECK(p.apply(cpus) == 1);
  CHECK(p.apply([] { return ::sched_getcpu(); }) == cpu);
  CHECK(p.apply([] { return ::getpriority(PRIO_PROCESS, 0); }) == std::min(niceness + 1, 19));
  CHECK(p.apply([] {
    rlimit limit{};
    ::getrlimit(RLIMIT_STACK, &limit);
    return static_cast<std::uint64_t>(limit.rlim_cur);
  }) == 1 << 20);
  CHECK(p.apply([] {
    rlimit limit{};
    ::getrlimit(RLIMIT_NPROC, &limit);
    return static_cast<std::uint64_t>(limit.rlim_cur);
  }) == processes);
}

TEST_CASE("an exception tells what caused it") {
  const leak_guard guard;
  pool p{{.workers = 1}};
  const auto nested = [] {
    try {
      throw std::out_of_range("row 7");
    } catch (...) {
      std::throw_with_nested(std::runtime_error("the table cannot be read"));
    }
  };
  const auto o = p.submit(nested).outcome();
  REQUIRE(!o.has_value());
  CHECK(o.failure().message == "the table cannot be read\n  caused by: row 7");
}

TEST_CASE("an attempt knows which it is, and retries are counted") {
  const leak_guard guard;
  pool p{{.workers = 1, .retries = 2}};
  CHECK(p.apply([] {
    if (this_task::attempt() < 3)
      ::kill(::getpid(), SIGKILL);
    return this_task::attempt();
  }) == 3);
  CHECK(p.stats().retried == 2);
}

TEST_CASE("no more is sent ahead than was asked for") {
  const leak_guard guard;
  for (const std::size_t ahead : {0, 3}) {
    CAPTURE(ahead);
    pool p{{.workers = 1, .prefetch = ahead}};
    event gate;
    std::vector<future<void>> all{p.submit(until_set, gate)};
    REQUIRE(eventually([&] { return all.front().running(); }));
    for (int i = 0; i < 8; ++i)
      all.push_back(p.submit(until_set, gate));
    const auto s = p.stats();
    CHECK(s.in_flight <= ahead + 1);
    CHECK(s.queued >= 8 - ahead);
    gate.set();
    CHECK(wait_all(all, long_enough));
  }
  CHECK_THROWS_WITH_AS((pool{{.start = start_method::eager, .prefetch = 1}}),
                       doctest::Contains("prefetch is 1"), config_error);
}

TEST_CASE("libraries that compute in threads use as many as were asked for") {
  const leak_guard guard;
  pool p{{.workers = 1, .threads_per_worker = 3}};
  CHECK(p.apply([] { return std::string{std::getenv("OPENBLAS_NUM_THREADS")}; }) == "3");
  const auto threads = p.apply(threads_of_openmp);
  if (threads != -1) // it is no part of every system
    CHECK(threads == 3);
  CHECK(std::getenv("OPENBLAS_NUM_THREADS") == nullptr); // the host stays as it is
}

TEST_CASE("who may not wait in submit is told when there is room") {
  const leak_guard guard;
  pool p{{.workers = 1, .queue_capacity = 1, .prefetch = 0}};
  const int room = p.room_fd();
  CHECK(polls_readable(room));
  event gate;
  std::vector<future<void>> all{p.submit(until_set, gate)};
  REQUIRE(eventually([&] { return all.front().running(); }));
  all.push_back(p.submit(until_set, gate));
  CHECK(!polls_readable(room));
  CHECK(!p.try_submit(until_set, gate));
  gate.set();
  REQUIRE(eventually([&] { return polls_readable(room); }));
  auto more = p.try_submit(until_set, gate);
  REQUIRE(more);
  CHECK(wait_all(all, long_enough));
  more->get(long_enough);
}

TEST_CASE("what functions leave behind in their workers is told by function") {
  const leak_guard guard;
  pool p{{.workers = 2, .measure_growth = true}};
  for (int i = 0; i < 5; ++i) {
    p.apply(leak_memory, std::size_t{4} << 20);
    p.apply(leak_descriptor);
  }
  p.map(
    [](int) {
      leak_nothing();
      return 0;
    },
    std::vector<int>(40));
  const auto rows = p.growth();
  REQUIRE(rows.size() == 3);
  CHECK(rows[0].task.find("leak_memory") != std::string::npos);
  CHECK(rows[0].calls == 5);
  CHECK(rows[0].memory_bytes >= std::int64_t{5} * (4 << 20));
  CHECK(rows[0].descriptors == 0);
  std::map<std::string, task_growth> by_name;
  std::uint64_t calls = 0;
  for (const auto& row : rows) {
    by_name[row.task] = row;
    calls += row.calls;
  }
  CHECK(calls == 50);
  CHECK(by_name["leak_descriptor"].descriptors == 5);
  CHECK(by_name["leak_descriptor"].threads == 0);
  CHECK_THROWS_WITH_AS(pool{{.workers = 1}}.growth(), doctest::Contains("measure_growth"),
                       config_error);
}

TEST_CASE("tasks that lie behind one whose worker dies move on, and are counted") {
  const leak_guard guard;
  pool p{{.workers = 1, .prefetch = 4}};
  event gate;
  const auto die = [](event when) {
    when.wait();
    ::kill(::getpid(), SIGKILL);
  };
  auto doomed = p.submit(die, gate);
  REQUIRE(eventually([&] { return doomed.running(); }));
  std::vector<future<pid_t>> behind;
  for (int i = 0; i < 3; ++i)
    behind.push_back(p.submit(own_pid));
  gate.set();
  REQUIRE(wait_all(behind, long_enough));
  CHECK(p.stats().requeued >= 1);
  CHECK(p.stats().succeeded == 3);
}
