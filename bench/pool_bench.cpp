// Figures of the pool, one JSON line each, under the names of the workloads W1 to W8:
//   pool_bench [ROUNDS]
// Compare ratios with programs that ran interleaved with this one, never absolute times.

#include <bulkhead/blob.hpp>
#include <bulkhead/tasks.hpp>

#include <signal.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <numeric>
#include <string>
#include <vector>

using namespace std::chrono_literals;
using bulkhead::pool;
using clock_type = std::chrono::steady_clock;

namespace {

int identity(int x) { return x; }

/// About a nanosecond a turn.
int count_to(int turns) {
  unsigned x = static_cast<unsigned>(turns);
  for (int i = 0; i < turns; ++i) {
    x = x * 1664525U + 1013904223U;
    asm volatile("" : "+r"(x));
  }
  return static_cast<int>(x);
}

double us(clock_type::duration d) { return std::chrono::duration<double, std::micro>(d).count(); }

void report(const char* what, const char* metric, double value, const char* unit) {
  std::printf("{\"what\":\"%s\",\"metric\":\"%s\",\"value\":%.4g,\"unit\":\"%s\"}\n", what, metric,
              value, unit);
  std::fflush(stdout);
}

void report_quantiles(const char* what, std::vector<double> samples) {
  std::sort(samples.begin(), samples.end());
  report(what, "p50", samples[samples.size() / 2], "us");
  report(what, "p99", samples[samples.size() * 99 / 100], "us");
}

void pause_for(std::chrono::microseconds time) {
  const timespec t{0, std::chrono::nanoseconds(time).count()};
  ::nanosleep(&t, nullptr);
}

/// W1: one tiny task there and back, hot: the next follows at once.
void round_trip_hot() {
  pool p{{.workers = 1}};
  for (int i = 0; i < 10'000; ++i)
    p.apply(identity, i);
  std::vector<double> samples;
  for (int i = 0; i < 100'000; ++i) {
    const auto start = clock_type::now();
    p.apply(identity, i);
    samples.push_back(us(clock_type::now() - start));
  }
  report_quantiles("W1 hot", std::move(samples));
}

/// W1 with both sides asleep before each.
void round_trip_asleep() {
  pool p{{.workers = 1}};
  p.apply(identity, 0);
  std::vector<double> samples;
  for (int i = 0; i < 1000; ++i) {
    pause_for(500us);
    const auto start = clock_type::now();
    p.apply(identity, i);
    samples.push_back(us(clock_type::now() - start));
  }
  report_quantiles("W1 asleep", std::move(samples));
}

/// W2: tiny tasks submitted one by one, all futures kept.
void single_tasks(const char* what, std::size_t workers, int count) {
  pool p{{.workers = workers}};
  p.apply(identity, 0);
  std::vector<bulkhead::future<int>> all;
  all.reserve(static_cast<std::size_t>(count));
  const auto start = clock_type::now();
  for (int i = 0; i < count; ++i)
    all.push_back(p.submit(identity, i));
  for (auto& f : all)
    f.wait();
  const auto seconds = us(clock_type::now() - start) / 1e6;
  report(what, "throughput", count / seconds, "task/s");
}

/// W2 with a callback each.
void single_tasks_with_callbacks() {
  pool p{{.workers = 1}};
  p.apply(identity, 0);
  constexpr int count = 500'000;
  std::atomic<int> left{count};
  const auto start = clock_type::now();
  for (int i = 0; i < count; ++i)
    p.submit(identity, i).on_ready([&left](const bulkhead::outcome<int>&) {
      if (left.fetch_sub(1) == 1)
        left.notify_one();
    });
  for (int seen = left; seen != 0; seen = left)
    left.wait(seen);
  report("W2 callbacks", "throughput", count / (us(clock_type::now() - start) / 1e6), "task/s");
}

/// W3: map over a million items, tiny ones.
template <class F, class Item>
void map_items(const char* what, F f, const std::vector<Item>& input) {
  pool p{{.workers = 2}};
  p.map(f, std::vector<Item>(1000));
  const auto start = clock_type::now();
  const auto output = p.map(f, input);
  const auto seconds = us(clock_type::now() - start) / 1e6;
  report(what, "throughput", static_cast<double>(output.size()) / seconds, "item/s");
}

void map_items() {
  std::vector<int> numbers(1'000'000);
  std::iota(numbers.begin(), numbers.end(), 0);
  map_items("W3 map", identity, numbers);
  map_items(
    "W3 strings", +[](std::string s) { return s; },
    std::vector<std::string>(1'000'000, "compiler"));
}

/// W3: items of a microsecond, beside the loop that does them one after the other.
void map_microseconds() {
  const std::vector<int> turns(1'000'000, 1000);
  const auto begin = clock_type::now();
  for (const int n : turns)
    count_to(n);
  const auto serial = clock_type::now() - begin;
  pool p{{.workers = 2}};
  p.map(count_to, std::vector<int>(1000, 10));
  const auto start = clock_type::now();
  p.map(count_to, turns);
  report("W3 1 us items", "share of two serial loops",
         us(serial) / 2 / us(clock_type::now() - start), "ratio");
}

/// W4: a large argument there and back.
void large_payload(std::size_t bytes, int rounds) {
  pool p{{.workers = 1}};
  const std::vector<unsigned char> payload(bytes, 7);
  const auto echo = [](std::vector<unsigned char> v) { return v; };
  p.apply(echo, payload);
  std::vector<double> samples;
  for (int i = 0; i < rounds; ++i) {
    const auto start = clock_type::now();
    const auto back = p.apply(echo, payload);
    samples.push_back(us(clock_type::now() - start));
  }
  std::sort(samples.begin(), samples.end());
  report(("W4 " + std::to_string(bytes >> 20) + " MiB").c_str(), "throughput",
         static_cast<double>(bytes) / samples[samples.size() / 2], "MB/s");
}

/// W4 as a blob: a descriptor travels.
void large_blob(std::size_t bytes, int rounds) {
  pool p{{.workers = 1}};
  const auto payload = bulkhead::make_blob(std::vector<std::byte>(bytes, std::byte{7}));
  const auto echo = [](bulkhead::blob b) { return b; };
  p.apply(echo, payload);
  std::vector<double> samples;
  for (int i = 0; i < rounds; ++i) {
    const auto start = clock_type::now();
    p.apply(echo, payload);
    samples.push_back(us(clock_type::now() - start));
  }
  report_quantiles(("W4 blob of " + std::to_string(bytes >> 20) + " MiB").c_str(),
                   std::move(samples));
}

/// W6: from nothing to the first result of a pool of two, and its end.
void first_result() {
  std::vector<double> first;
  std::vector<double> end;
  for (int i = 0; i < 50; ++i) {
    const auto start = clock_type::now();
    auto p = std::make_unique<pool>(bulkhead::pool_options{.workers = 2});
    p->apply(identity, 1);
    const auto ready = clock_type::now();
    p.reset();
    first.push_back(us(ready - start));
    end.push_back(us(clock_type::now() - ready));
  }
  report_quantiles("W6 first result", std::move(first));
  report_quantiles("W6 shutdown", std::move(end));
}

/// W7: from SIGKILL of the only worker to the next result.
void replacement() {
  pool p{{.workers = 1, .restart = {.max_restarts = 1000}}};
  std::vector<double> samples;
  for (int i = 0; i < 100; ++i) {
    const auto pid = p.apply([] { return ::getpid(); });
    const auto start = clock_type::now();
    ::kill(pid, SIGKILL);
    while (p.apply([] { return ::getpid(); }) == pid) {
    }
    samples.push_back(us(clock_type::now() - start));
  }
  report_quantiles("W7 replacement", std::move(samples));
}

double pss_mib(pid_t pid) {
  std::ifstream rollup("/proc/" + std::to_string(pid) + "/smaps_rollup");
  for (std::string key; rollup >> key;)
    if (key == "Pss:") {
      double kib = 0;
      rollup >> kib;
      return kib / 1024;
    }
  return 0;
}

double cpu_seconds(pid_t pid) {
  std::ifstream stat("/proc/" + std::to_string(pid) + "/stat");
  std::string word;
  double ticks = 0;
  for (int field = 1; field <= 15 && stat >> word; ++field)
    if (field >= 14)
      ticks += std::strtod(word.c_str(), nullptr);
  return ticks / 100;
}

/// W8: an idle worker's memory, and what an idle pool burns.
void idle_cost() {
  pool p{{.workers = 2}};
  for (int i = 0; i < 1000; ++i)
    p.apply(identity, i);
  const auto workers = p.workers();
  double pss = 0;
  double before = cpu_seconds(::getpid());
  for (const auto& w : workers) {
    pss += pss_mib(w.pid);
    before += cpu_seconds(w.pid);
  }
  report("W8 idle worker", "pss", pss / static_cast<double>(workers.size()), "MiB");
  pause_for(900ms);
  pause_for(900ms);
  double after = cpu_seconds(::getpid());
  for (const auto& w : workers)
    after += cpu_seconds(w.pid);
  report("W8 idle pool", "cpu in 1.8 s", (after - before) * 1000, "ms");
}

} // namespace

int main(int argc, char** argv) {
  bulkhead::init(argc, argv);
  const int rounds = argc > 1 ? std::atoi(argv[1]) : 1;
  single_tasks("W2 first million", 1, 1'000'000); // in fresh memory, so first of all
  for (int i = 0; i < rounds; ++i) {
    round_trip_hot();
    round_trip_asleep();
    single_tasks("W2 1 workers", 1, 500'000);
    single_tasks("W2 2 workers", 2, 500'000);
    single_tasks_with_callbacks();
    map_items();
    map_microseconds();
    large_payload(std::size_t{1} << 20, 200);
    large_payload(std::size_t{64} << 20, 10);
    large_blob(std::size_t{1} << 20, 200);
    large_blob(std::size_t{64} << 20, 200);
    first_result();
    replacement();
    idle_cost();
  }
}
