// Figures of the pool, one JSON line each, under the names of the workloads W1 to W8:
//   pool_bench [ROUNDS]
// Compare ratios with programs that ran interleaved with this one, never absolute times.

#include <bulkhead/tasks.hpp>

#include <signal.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
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
void single_tasks(std::size_t workers) {
  pool p{{.workers = workers}};
  p.apply(identity, 0);
  constexpr int count = 500'000;
  std::vector<bulkhead::future<int>> all;
  all.reserve(count);
  const auto start = clock_type::now();
  for (int i = 0; i < count; ++i)
    all.push_back(p.submit(identity, i));
  for (auto& f : all)
    f.wait();
  const auto seconds = us(clock_type::now() - start) / 1e6;
  report(("W2 " + std::to_string(workers) + " workers").c_str(), "throughput", count / seconds,
         "task/s");
}

/// W3: map over a million integers.
void map_items() {
  pool p{{.workers = 2}};
  std::vector<int> input(1'000'000);
  std::iota(input.begin(), input.end(), 0);
  p.map(identity, std::vector<int>(1000));
  const auto start = clock_type::now();
  const auto output = p.map(identity, input);
  const auto seconds = us(clock_type::now() - start) / 1e6;
  report("W3 map", "throughput", static_cast<double>(output.size()) / seconds, "item/s");
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
  for (int i = 0; i < rounds; ++i) {
    round_trip_hot();
    round_trip_asleep();
    single_tasks(1);
    single_tasks(2);
    map_items();
    large_payload(std::size_t{1} << 20, 200);
    large_payload(std::size_t{64} << 20, 10);
    first_result();
    replacement();
    idle_cost();
  }
}
