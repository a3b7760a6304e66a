// Pools on nodes through a broker, one JSON line each: tiny tasks a second (map and submit), a task
// there and back, how much faster two nodes of one worker are than one with tasks of 10 ms, CPU
// time of a node without work, and, with NODES, tasks a second on ever more nodes:
//   scripts/with_broker engine_bench [TASKS [NODES]]

#include <bulkhead/rabbitmq.hpp>
#include <bulkhead/tasks.hpp>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <memory>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include <unistd.h>

using namespace std::chrono_literals;
using clock_type = std::chrono::steady_clock;

namespace {

int identity(int x) { return x; }
void wait_10_ms() { std::this_thread::sleep_for(10ms); }

bulkhead::rabbitmq engine(const std::string& url) {
  return {.url = url, .queue = "bench", .nodes_within = 60s};
}

void be_a_node(std::string url) {
  bulkhead::run_node({.engine = engine(url), .pool = {.workers = 1}, .on_message = [](auto&) {}});
}

std::unique_ptr<bulkhead::process> start_node(const std::string& url) {
  auto made = std::make_unique<bulkhead::process>(be_a_node, url);
  made->start();
  return made;
}

double seconds(clock_type::duration d) { return std::chrono::duration<double>(d).count(); }

void report(const char* what, const char* metric, double value, const char* unit) {
  std::printf("{\"what\":\"engine %s\",\"metric\":\"%s\",\"value\":%.4g,\"unit\":\"%s\"}\n", what,
              metric, value, unit);
}

template <class F>
double time_of(F&& f) {
  const auto begin = clock_type::now();
  f();
  return seconds(clock_type::now() - begin);
}

double time_of_long_tasks(bulkhead::pool& pool, int count) {
  return time_of([&] {
    std::vector<bulkhead::future<void>> all;
    for (int i = 0; i < count; ++i)
      all.push_back(pool.submit(wait_10_ms));
    for (const auto& f : all)
      f.get();
  });
}

double median_round_trip(bulkhead::pool& pool) {
  std::vector<double> samples(500);
  for (auto& sample : samples)
    sample = time_of([&] { pool.submit(identity, 1).get(); });
  std::nth_element(samples.begin(), samples.begin() + 250, samples.end());
  return samples[250];
}

/// Seconds of CPU that the process has had, its threads together.
double cpu_seconds(pid_t process) {
  std::ifstream in("/proc/" + std::to_string(process) + "/stat");
  std::string line;
  std::getline(in, line);
  std::istringstream rest(line.substr(line.rfind(')') + 2));
  std::vector<std::string> words;
  for (std::string word; rest >> word;)
    words.push_back(word);
  const auto ticks = std::stod(words.at(11)) + std::stod(words.at(12));
  return ticks / static_cast<double>(::sysconf(_SC_CLK_TCK));
}

void report_idle(bulkhead::process& node) {
  const auto before = cpu_seconds(node.pid());
  std::this_thread::sleep_for(10s); // it has nothing to do
  report("idle node", "CPU", (cpu_seconds(node.pid()) - before) / 10 * 100, "%");
}

/// On 1, 2, 5, 10, 20, ... nodes, as many as wanted.
void report_many(bulkhead::pool& pool, const std::string& url, std::size_t most,
                 const std::vector<int>& input) {
  std::vector<std::unique_ptr<bulkhead::process>> nodes;
  for (std::size_t wanted : {5U, 10U, 20U, 50U, 100U, 200U}) {
    if (wanted > most)
      return;
    while (nodes.size() + 2 < wanted) // there are two
      nodes.push_back(start_node(url));
    while (bulkhead::find_nodes(engine(url), 2s).size() < wanted) {
    }
    const auto name = std::to_string(wanted) + " nodes";
    pool.map(identity, input);
    const auto mapped = time_of([&] { pool.map(identity, input); });
    report(name.c_str(), "map of tiny tasks", static_cast<double>(input.size()) / mapped,
           "tasks/s");
    report(name.c_str(), "tasks of 10 ms", 2000 / time_of_long_tasks(pool, 2000), "tasks/s");
  }
}

} // namespace

int main(int argc, char** argv) {
  bulkhead::init(argc, argv);
  const char* url = std::getenv("BULKHEAD_ENGINE_URL");
  if (url == nullptr) {
    std::fputs("engine_bench: run it by scripts/with_broker\n", stderr);
    return 2;
  }
  const auto count = static_cast<std::size_t>(argc > 1 ? std::atoi(argv[1]) : 500'000);
  const auto first = start_node(url);
  bulkhead::pool pool({.engine = engine(url)});
  std::vector<int> input(count, 1);
  pool.map(identity, std::vector<int>(20'000, 1)); // the run time is measured
  const auto mapped = time_of([&] { pool.map(identity, input); });
  report("one node", "map of tiny tasks", static_cast<double>(count) / mapped, "tasks/s");
  const auto submitted = time_of([&] {
    std::vector<bulkhead::future<int>> all;
    all.reserve(count);
    for (std::size_t i = 0; i < count; ++i)
      all.push_back(pool.submit(identity, 1));
    for (const auto& f : all)
      f.get();
  });
  report("one node", "submit of tiny tasks", static_cast<double>(count) / submitted, "tasks/s");
  report("one node", "there and back", median_round_trip(pool) * 1e6, "us");
  time_of_long_tasks(pool, 20);
  const auto alone = time_of_long_tasks(pool, 300);
  const auto second = start_node(url);
  while (pool.workers().size() < 2)
    time_of_long_tasks(pool, 20);
  const auto together = time_of_long_tasks(pool, 300);
  report("two nodes", "speed-up, 10 ms", alone / together, "times");
  report_idle(*first);
  report_many(pool, url, argc > 2 ? static_cast<std::size_t>(std::atoi(argv[2])) : 0, input);
}
