// What a task costs as work grows, one JSON line each:
//   scale_bench [--long]
// W5: tasks of one length, and of many, on two workers, beside two plain processes that share
// nothing, and tiny ones beside two threads. W11: processor time of host and workers and the host's
// growth, for each task, as tasks, workers and what waits grow; --long goes on to 10^7 tasks and
// 256 workers.

#include <bulkhead/ipc.hpp>
#include <bulkhead/tasks.hpp>

#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <future>
#include <mutex>
#include <queue>
#include <string>
#include <thread>
#include <utility>
#include <vector>

using namespace std::chrono_literals;
using bulkhead::pool;
using clock_type = std::chrono::steady_clock;

namespace {

void report(const std::string& what, const char* metric, double value, const char* unit) {
  std::printf("{\"what\":\"%s\",\"metric\":\"%s\",\"value\":%.4g,\"unit\":\"%s\"}\n", what.c_str(),
              metric, value, unit);
  std::fflush(stdout);
}

double seconds(clock_type::duration d) { return std::chrono::duration<double>(d).count(); }

/// Counts so far; the same work wherever it runs.
std::uint64_t count_to(std::uint64_t turns) {
  std::uint64_t x = turns;
  for (std::uint64_t i = 0; i < turns; ++i) {
    x = x * 6364136223846793005U + 1442695040888963407U;
    asm volatile("" : "+r"(x));
  }
  return x;
}

int identity(int x) { return x; }

/// Two plain processes; the second half of the work is the other's.
double by_plain_processes(const std::vector<std::uint64_t>& work) {
  const auto begin = clock_type::now();
  std::vector<pid_t> children;
  for (std::size_t half = 0; half < 2; ++half) {
    const pid_t pid = ::fork();
    if (pid == 0) {
      for (std::size_t i = half; i < work.size(); i += 2)
        count_to(work[i]);
      ::_exit(0);
    }
    children.push_back(pid);
  }
  for (const pid_t pid : children)
    ::waitpid(pid, nullptr, 0);
  return seconds(clock_type::now() - begin);
}

/// W5: the share of what two plain processes do, whose halves are of one length.
void shared_work(const char* what, const std::vector<std::uint64_t>& work) {
  pool p{{.workers = 2}};
  p.map(count_to, std::vector<std::uint64_t>(64, 10));
  std::vector<double> shares;
  for (int round = 0; round < 5; ++round) {
    const auto plain = by_plain_processes(work);
    const auto begin = clock_type::now();
    p.map(count_to, work);
    shares.push_back(plain / seconds(clock_type::now() - begin));
  }
  std::sort(shares.begin(), shares.end());
  report(what, "share of two plain processes", shares[shares.size() / 2], "ratio");
}

void shared_work() {
  shared_work("W5 even", std::vector<std::uint64_t>(2000, 400'000));
  // One in fifty is fifty times as long; both halves have as many of them.
  std::vector<std::uint64_t> skewed(2000, 200'000);
  for (std::size_t i = 0; i < skewed.size(); i += 50)
    skewed[i] = skewed[i + 1] = 10'000'000;
  shared_work("W5 skewed", skewed);
}

/// Two threads and one queue, as one writes it without a library.
class two_threads {
public:
  two_threads() {
    for (auto& t : threads_)
      t = std::thread{[this] { run(); }};
  }
  ~two_threads() {
    {
      const std::lock_guard lock{mutex_};
      over_ = true;
    }
    changed_.notify_all();
    for (auto& t : threads_)
      t.join();
  }

  std::future<std::uint64_t> submit(std::uint64_t turns) {
    std::packaged_task<std::uint64_t()> task{[turns] { return count_to(turns); }};
    auto result = task.get_future();
    {
      const std::lock_guard lock{mutex_};
      tasks_.push(std::move(task));
    }
    changed_.notify_one();
    return result;
  }

private:
  void run() {
    for (;;) {
      std::unique_lock lock{mutex_};
      changed_.wait(lock, [this] { return over_ || !tasks_.empty(); });
      if (tasks_.empty())
        return;
      auto task = std::move(tasks_.front());
      tasks_.pop();
      lock.unlock();
      task();
    }
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  std::queue<std::packaged_task<std::uint64_t()>> tasks_;
  bool over_ = false;
  std::array<std::thread, 2> threads_;
};

template <class Submit>
double time_of(int tasks, Submit submit) {
  const auto begin = clock_type::now();
  std::vector<decltype(submit())> all;
  for (int i = 0; i < tasks; ++i)
    all.push_back(submit());
  for (auto& f : all)
    f.wait();
  return seconds(clock_type::now() - begin);
}

/// Tasks submitted one by one: what two workers do, beside two threads. From where the ratio is
/// near 1, isolation costs nothing.
void against_threads() {
  pool p{{.workers = 2}};
  two_threads threads;
  for (const int microseconds : {0, 1, 3, 10, 30, 100}) {
    const auto turns = static_cast<std::uint64_t>(microseconds) * 800;
    const int tasks = std::min(200'000, 1'000'000 / std::max(1, microseconds));
    std::vector<double> shares;
    for (int round = 0; round < 3; ++round) {
      const auto theirs = time_of(tasks, [&] { return threads.submit(turns); });
      shares.push_back(theirs / time_of(tasks, [&] { return p.submit(count_to, turns); }));
    }
    std::sort(shares.begin(), shares.end());
    report("W5 tasks of " + std::to_string(microseconds) + " us", "share of two threads", shares[1],
           "ratio");
  }
}

double cpu_seconds(int whose) {
  rusage used{};
  ::getrusage(whose, &used);
  const auto of = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) / 1e6;
  };
  return of(used.ru_utime) + of(used.ru_stime);
}

double cpu_of(pid_t pid) {
  std::ifstream stat("/proc/" + std::to_string(pid) + "/schedstat");
  double ns = 0;
  stat >> ns; // on a processor, man 5 proc
  return ns / 1e9;
}

double resident_mib() {
  std::ifstream statm("/proc/self/statm");
  double size = 0;
  double resident = 0;
  statm >> size >> resident;
  return resident * static_cast<double>(::sysconf(_SC_PAGESIZE)) / (1 << 20);
}

double cpu_of(const pool& p) {
  double all = cpu_seconds(RUSAGE_SELF);
  for (const auto& w : p.workers())
    all += cpu_of(w.pid);
  return all;
}

/// Runs `work`, which brings `tasks` tasks to their end.
template <class Work>
void measure(const std::string& what, pool& p, double tasks, Work work) {
  const auto cpu = cpu_of(p);
  const auto memory = resident_mib();
  work();
  report(what, "cpu a task", (cpu_of(p) - cpu) / tasks * 1e9, "ns");
  report(what, "growth", std::max(0.0, resident_mib() - memory), "MiB");
}

template <class Pool>
void submit_all(Pool& p, int count) {
  bulkhead::future<int> last;
  for (int i = 0; i < count; ++i)
    last = p.submit(identity, i);
  last.wait();
}

void more_tasks(int most) {
  pool p{{.workers = 2}};
  submit_all(p, 10'000);
  for (int count = 1000; count <= most; count *= 10)
    measure("W11 " + std::to_string(count) + " tasks", p, count, [&] { submit_all(p, count); });
}

void more_workers(std::size_t most) {
  for (std::size_t workers = 1; workers <= most; workers *= 4) {
    pool p{{.workers = workers}};
    submit_all(p, 10'000);
    measure("W11 " + std::to_string(workers) + " workers", p, 100'000,
            [&] { submit_all(p, 100'000); });
  }
}

/// So many wait behind one task that holds the only worker; `submit` says how.
template <class Submit>
void behind_one(const std::string& kind, bulkhead::pool_options options, Submit submit) {
  options.workers = 1;
  options.queue_capacity = 1'000'000;
  pool p{options};
  for (const int queued : {10, 1000, 100'000}) {
    const int rounds = std::max(1, 20'000 / queued);
    const auto what = "W11 " + std::to_string(queued) + " queued" + kind;
    measure(what, p, double(queued) * rounds, [&] {
      for (int round = 0; round < rounds; ++round) {
        auto [ours, theirs] = bulkhead::make_pipe<int>();
        const auto holder = p.submit([](bulkhead::connection<int> c) { c.recv(); }, theirs);
        std::vector<bulkhead::future<int>> all;
        for (int i = 0; i < queued; ++i)
          all.push_back(submit(p, i));
        ours.send(1);
        for (const auto& f : all)
          f.wait();
      }
    });
  }
}

void more_waiting() {
  behind_one("", {}, [](pool& p, int i) { return p.submit(identity, i); });
  behind_one(", priorities", {},
             [](pool& p, int i) { return p.with({.priority = i % 10}).submit(identity, i); });
  behind_one(", keys", {.dispatch = bulkhead::dispatch_policy::key_hash}, [](pool& p, int i) {
    return p.with({.key = std::to_string(i % 100)}).submit(identity, i);
  });
  behind_one(", deadlines", {},
             [](pool& p, int i) { return p.with({.deadline = 1h}).submit(identity, i); });
}

} // namespace

int main(int argc, char** argv) {
  bulkhead::init(argc, argv);
  const bool all = argc > 1 && std::strcmp(argv[1], "--long") == 0;
  shared_work();
  against_threads();
  more_tasks(all ? 10'000'000 : 1'000'000);
  more_workers(all ? 256 : 16);
  more_waiting();
}
