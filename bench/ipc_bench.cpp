// Figures of what tasks and processes share, one JSON line each:
//   ipc_bench
// "std" is the standard's counterpart inside one process, measured in the same run.

#include <bulkhead/tasks.hpp>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <mutex>
#include <vector>

namespace {

using clock_type = std::chrono::steady_clock;

double ns_each(clock_type::duration d, int count) {
  return std::chrono::duration<double, std::nano>(d).count() / count;
}

void report(const char* what, const char* metric, double value, const char* unit) {
  std::printf("{\"what\":\"%s\",\"metric\":\"%s\",\"value\":%.4g,\"unit\":\"%s\"}\n", what, metric,
              value, unit);
  std::fflush(stdout);
}

template <class Mutex>
double uncontended(Mutex& m) {
  constexpr int count = 20'000;
  const auto start = clock_type::now();
  for (int i = 0; i < count; ++i) {
    m.lock();
    m.unlock();
  }
  return ns_each(clock_type::now() - start, count);
}

double median(std::vector<double> all) {
  std::nth_element(all.begin(), all.begin() + all.size() / 2, all.end());
  return all[all.size() / 2];
}

/// In turns of a millisecond, so that both meet the same machine.
void locks() {
  bulkhead::mutex ours;
  std::mutex of_std;
  std::vector<double> own_times, std_times;
  for (int turn = 0; turn < 101; ++turn) {
    own_times.push_back(uncontended(ours));
    std_times.push_back(uncontended(of_std));
  }
  const auto standard = median(std_times);
  const auto shared = median(own_times);
  report("mutex uncontended", "lock+unlock", shared, "ns");
  report("mutex uncontended", "std::mutex", standard, "ns");
  report("mutex uncontended", "ratio", shared / standard, "");
}

void feed(bulkhead::queue<int> to, int count) {
  for (int i = 0; i < count; ++i)
    to.put(i);
}

/// One process puts, another one gets.
void queue_throughput() {
  constexpr int count = 300'000;
  bulkhead::pool p({.workers = 1});
  bulkhead::queue<int> q;
  p.apply(feed, q, 1);
  q.get();
  const auto start = clock_type::now();
  auto fed = p.submit(feed, q, count);
  for (int i = 0; i < count; ++i)
    q.get();
  const auto took = clock_type::now() - start;
  fed.get();
  report("queue<int> two processes", "items", 1e9 / ns_each(took, count), "1/s");
}

void queue_alone() {
  constexpr int count = 20'000;
  bulkhead::queue<int> q;
  std::vector<double> times;
  for (int turn = 0; turn < 51; ++turn) {
    const auto start = clock_type::now();
    for (int i = 0; i < count; ++i) {
      q.put(i);
      q.get();
    }
    times.push_back(ns_each(clock_type::now() - start, count));
  }
  report("queue<int> put+get", "median", median(times), "ns");
}

void echo(bulkhead::connection<int> pipe, int count) {
  for (int i = 0; i < count; ++i)
    pipe.send(pipe.recv());
}

void pipe_round_trip() {
  constexpr int count = 20'000;
  auto [ours, theirs] = bulkhead::make_pipe<int>();
  bulkhead::process child(echo, theirs, count);
  child.start();
  const auto start = clock_type::now();
  for (int i = 0; i < count; ++i) {
    ours.send(i);
    ours.recv();
  }
  report("pipe round trip", "mean", ns_each(clock_type::now() - start, count) / 1000, "us");
  child.join();
}

} // namespace

int main(int argc, char** argv) {
  bulkhead::init(argc, argv);
  locks();
  queue_alone();
  queue_throughput();
  pipe_round_trip();
}
