// Waits, callbacks, coroutines, threads that end early.
#include "tests/field/helpers.hpp"

#include <atomic>
#include <coroutine>

#include <dirent.h>
#include <pthread.h>
#include <sys/resource.h>

using namespace bulkhead;
using namespace bulkhead::field;

namespace {

struct detached {
  struct promise_type {
    detached get_return_object() { return {}; }
    std::suspend_never initial_suspend() { return {}; }
    std::suspend_never final_suspend() noexcept { return {}; }
    void return_void() {}
    void unhandled_exception() { std::terminate(); }
  };
};

detached gather(pool& p, std::atomic<int>& gathered) {
  co_await p.submit([] {
    ::usleep(10'000);
    return 0;
  });
  std::vector<future<int>> parts;
  parts.reserve(3);
  for (int i = 0; i < 3; ++i)
    parts.push_back(p.submit(plus_one, i));
  int sum = 0;
  for (const auto& part : as_completed(parts))
    sum += part.get();
  gathered = sum;
}

/// How often the library's own threads have gone to sleep so far.
long sleeps_of_runtime() {
  long count = 0;
  for (const auto& thread : std::filesystem::directory_iterator("/proc/self/task")) {
    std::ifstream comm(thread.path() / "comm");
    std::string name;
    std::getline(comm, name);
    std::ifstream status(thread.path() / "status");
    for (std::string line; name == "bulkhead" && std::getline(status, line);)
      if (line.starts_with("voluntary_ctxt"))
        count += std::atol(line.c_str() + line.find(':') + 1);
  }
  return count;
}

} // namespace

FIELD_PROGRAM(a_coroutine_may_fan_out_and_wait, "gathered 6", "") {
  std::atomic<int> gathered = 0;
  pool p{{.workers = 2}};
  gather(p, gathered);
  eventually([&] { return gathered != 0; }, 60s);
  return "gathered " + std::to_string(gathered);
}

FIELD_PROGRAM(waits_that_end_early_leave_nothing_behind, "flat", "") {
  const gate closed;
  pool p{{.workers = 2, .grace = 50ms}};
  std::vector<future<int>> jobs;
  jobs.reserve(100);
  for (int i = 0; i < 100; ++i)
    jobs.push_back(p.submit(pass, closed.path()));
  wait_any(jobs, 1us);
  const auto before = own_rss_bytes();
  for (int i = 0; i < 2000; ++i)
    wait_any(jobs, 1us);
  closed.open();
  return growth(before, std::size_t{8} << 20);
}

FIELD_PROGRAM(close_lets_a_blocked_submit_go, "refused while the worker is busy", "") {
  const gate closed;
  pool p{{.workers = 1, .queue_capacity = 1}};
  std::vector<future<int>> busy;
  busy.push_back(p.submit(pass, closed.path()));
  eventually([&] { return p.stats().in_flight == 1; });
  std::atomic<bool> refused = false;
  std::thread blocked{[&] {
    try {
      for (;;)
        (void)p.submit(pass, closed.path()); // sooner or later there is no room
    } catch (const pool_closed&) {
      refused = true;
    }
  }};
  eventually([&] { return p.stats().queued == 1; });
  p.close();
  const bool at_once = eventually([&] { return refused.load(); }, 30s);
  closed.open();
  blocked.join();
  return at_once ? "refused while the worker is busy" : "refused too late";
}

FIELD_PROGRAM(a_thread_that_is_cancelled_in_a_wait_leaves_the_pool_whole, "2, then 1", "") {
  const gate closed;
  pool p{{.workers = 2}};
  p.map(plus_one, {1, 2, 3});
  const auto f = p.submit(pass, closed.path());
  std::thread waiter{[&] { f.wait(); }};
  eventually([&] { return p.stats().in_flight == 1; });
  ::pthread_cancel(waiter.native_handle());
  waiter.join();
  const auto other = p.submit(plus_one, 1);
  const auto seen = other.wait(60s) ? word(other.outcome()) : std::string("no outcome");
  closed.open();
  return seen + ", then " + word(f.outcome());
}

FIELD_PROGRAM(pthread_exit_in_a_task_ends_its_worker, "worker_died, then 2", "") {
  pool p{{.workers = 1}};
  const auto ended = p.submit([] { ::pthread_exit(nullptr); }).outcome();
  return word(ended) + ", then " + word(p.submit(plus_one, 1).outcome());
}

FIELD_PROGRAM(a_callback_that_throws_reaches_no_caller_of_an_eager_pool, "on_ready returned", "") {
  pool p{{.start = start_method::eager}};
  const auto f = p.submit(plus_one, 1);
  f.on_ready([](const auto&) { throw std::runtime_error("from the callback"); });
  return "on_ready returned";
}

FIELD_PROGRAM(terminate_is_bounded_whatever_callbacks_do, "returned while the callback ran",
              "open") {
  const gate closed;
  std::atomic<bool> inside = false;
  std::atomic<bool> returned = false;
  pool p{{.workers = 1, .grace = 50ms}};
  const auto f = p.submit(plus_one, 1);
  f.on_ready([&](const auto&) {
    inside = true;
    pass(closed.path());
  });
  eventually([&] { return inside.load(); });
  std::thread ending{[&] {
    p.terminate();
    returned = true;
  }};
  const bool bounded = eventually([&] { return returned.load(); }, 10s);
  closed.open();
  ending.join();
  return bounded ? "returned while the callback ran" : "waited for the callback";
}

FIELD_PROGRAM(ready_futures_keep_no_dead_pool, "descriptors and threads as before", "open") {
  const auto threads = [] {
    return std::distance(std::filesystem::directory_iterator("/proc/self/task"),
                         std::filesystem::directory_iterator{});
  };
  std::vector<future<int>> kept;
  kept.reserve(21);
  const auto round = [&] {
    pool p{{.workers = 2}};
    kept.push_back(p.submit(plus_one, 1));
    kept.back().wait();
  };
  round();
  eventually([&] { return threads() == 1; }, 3s);
  const auto descriptors = own_descriptors();
  const auto before = threads();
  for (int i = 0; i < 20; ++i)
    round();
  const bool same =
    eventually([&] { return own_descriptors() <= descriptors && threads() <= before; });
  return same ? "descriptors and threads as before"
              : counted(own_descriptors() - descriptors, "more descriptors");
}

FIELD_PROGRAM(a_pool_with_one_busy_worker_sleeps, "the runtime sleeps", "") {
  const gate closed;
  pool p{{.workers = 2}};
  p.map(plus_one, {1, 2, 3});
  const auto busy = p.submit(pass, closed.path());
  const auto one = p.submit(plus_one, 1);
  const auto two = p.submit(plus_one, 1);
  two.wait();
  one.wait();
  eventually([&] { return p.stats().queued == 0; });
  const auto before = sleeps_of_runtime();
  ::usleep(1'000'000); // what is measured is how often somebody wakes in it
  const auto woken = sleeps_of_runtime() - before;
  closed.open();
  return woken < 300 ? "the runtime sleeps" : counted(woken, "wake-ups in a second");
}

FIELD_PROGRAM(three_thousand_priorities_are_served_and_forgotten, "3000 done", "") {
  pool p{{.workers = 1}};
  std::vector<future<int>> all;
  all.reserve(3000);
  for (int i = 0; i < 3000; ++i)
    all.push_back(p.with({.priority = -i}).submit(plus_one, i));
  int done = 0;
  for (const auto& f : all)
    done += f.outcome().has_value();
  return counted(done, "done");
}

FIELD_PROGRAM(a_hot_key_stays_with_one_worker, "3000 done by 1 worker", "") {
  pool p{{.workers = 2, .dispatch = dispatch_policy::key_hash}};
  std::vector<future<int>> all;
  all.reserve(3000);
  for (int i = 0; i < 3000; ++i)
    all.push_back(p.with({.key = "hot"}).submit(own_pid));
  std::vector<int> by;
  by.reserve(3000);
  for (const auto& f : all)
    by.push_back(f.get());
  std::sort(by.begin(), by.end());
  const auto workers = std::unique(by.begin(), by.end()) - by.begin();
  return "3000 done by " + counted(workers, "worker");
}

FIELD_PROGRAM(threads_share_futures_of_a_pool_of_threads, "right", "") {
  pool p{{.workers = 2, .start = start_method::thread}};
  std::atomic<long> sum = 0;
  std::thread other{[&] {
    for (int i = 0; i < 300; ++i)
      sum += p.submit(plus_one, i).get();
  }};
  for (int i = 0; i < 300; ++i) {
    const auto f = p.submit(plus_one, i);
    std::thread([f, &sum] { sum += f.get(); }).join();
  }
  for (int i = 0; i < 100; ++i) {
    const auto f = p.submit(plus_one, i);
    f.cancel(i % 2 == 0);
    f.wait();
  }
  p.resize(4);
  p.resize(1);
  other.join();
  return sum == 2 * 300 * 301 / 2 ? "right" : "wrong: " + std::to_string(sum);
}
