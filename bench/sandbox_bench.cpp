// What a sandbox costs, one JSON line each: the start of a worker until its first answer, and a
// task there and back, plain and under each profile, interleaved:
//   sandbox_bench [ROUNDS]

#include <bulkhead/tasks.hpp>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <iterator>
#include <utility>
#include <vector>

using bulkhead::pool;
using bulkhead::sandbox_profile;
using clock_type = std::chrono::steady_clock;

namespace {

constexpr sandbox_profile profiles[] = {sandbox_profile::none, sandbox_profile::standard,
                                        sandbox_profile::strict};
constexpr const char* names[] = {"plain", "standard", "strict"};
constexpr int tasks_a_round = 2000;

int identity(int x) { return x; }

double us(clock_type::duration d) { return std::chrono::duration<double, std::micro>(d).count(); }

double median(std::vector<double> samples) {
  std::sort(samples.begin(), samples.end());
  return samples[samples.size() / 2];
}

void report(const char* name, const char* metric, std::vector<double> samples) {
  std::printf("{\"what\":\"sandbox %s\",\"metric\":\"%s\",\"value\":%.4g,\"unit\":\"us\"}\n", name,
              metric, median(std::move(samples)));
}

struct figures {
  std::vector<double> start;
  std::vector<double> task;
};

void measure(sandbox_profile profile, figures& into) {
  const auto began = clock_type::now();
  pool p{{.workers = 1, .sandbox = {.base = profile}}};
  p.apply(identity, 0);
  into.start.push_back(us(clock_type::now() - began));
  const auto hot = clock_type::now();
  for (int i = 0; i < tasks_a_round; ++i)
    p.apply(identity, i);
  into.task.push_back(us(clock_type::now() - hot) / tasks_a_round);
}

} // namespace

int main(int argc, char** argv) {
  bulkhead::init(argc, argv);
  const int rounds = argc > 1 ? std::max(1, std::atoi(argv[1])) : 50;
  figures all[std::size(profiles)];
  for (int round = 0; round < rounds; ++round)
    for (std::size_t i = 0; i < std::size(profiles); ++i)
      measure(profiles[i], all[i]);
  for (std::size_t i = 0; i < std::size(profiles); ++i) {
    report(names[i], "start", all[i].start);
    report(names[i], "task", all[i].task);
  }
}
