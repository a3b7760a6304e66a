// A tree of supervised actors: how long it takes to start, and to be whole again after one of its
// workers was killed; what the host pays for each actor.
#include <bulkhead/init.hpp>
#include <bulkhead/supervisor.hpp>

#include <caf/actor_system.hpp>
#include <caf/actor_system_config.hpp>
#include <caf/event_based_actor.hpp>

#include <signal.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <fstream>
#include <string>
#include <thread>
#include <vector>

using namespace bulkhead;
using namespace std::chrono_literals;

namespace {

using clock_type = std::chrono::steady_clock;
constexpr std::size_t workers_of_tree = 10;

caf::behavior idle(caf::event_based_actor*) {
  return {[](int x) { return x; }};
}

double since(clock_type::time_point start) {
  return std::chrono::duration<double, std::milli>(clock_type::now() - start).count();
}

long resident_kib() {
  std::ifstream statm{"/proc/self/statm"};
  long total = 0;
  long resident = 0;
  statm >> total >> resident;
  return resident * 4;
}

void tell(std::size_t actors, const char* metric, double value, const char* unit) {
  std::printf(R"({"what":"tree of %zu","metric":"%s","value":%.2f,"unit":"%s"})"
              "\n",
              actors, metric, value, unit);
}

bool whole(const supervisor& tree, std::size_t restarted) {
  const auto all = tree.which_children();
  const auto again =
    std::count_if(all.begin(), all.end(), [](const auto& c) { return c.incarnations == 2; });
  return static_cast<std::size_t>(again) == restarted
         && std::all_of(all.begin(), all.end(),
                        [](const auto& c) { return c.status == child_status::running; });
}

void measure(caf::actor_system& system, std::size_t n) {
  pool workers{system, {.workers = 1, .actor_workers = workers_of_tree}};
  std::vector<child_spec> specs;
  specs.reserve(n);
  for (std::size_t i = 0; i < n; ++i)
    specs.push_back({.id = std::to_string(i), .start = child(idle)});
  const auto before = resident_kib();
  auto start = clock_type::now();
  supervisor tree{workers, {.max_restarts = 100}, specs};
  const auto started = since(start);
  const auto memory = static_cast<double>(resident_kib() - before) / static_cast<double>(n);

  const auto all = workers.workers();
  const auto victim = std::find_if(all.begin(), all.end(),
                                   [](const auto& w) { return w.kind == worker_kind::actors; });
  if (victim == all.end())
    return;
  start = clock_type::now();
  ::kill(victim->pid, SIGKILL);
  while (!whole(tree, n / workers_of_tree))
    std::this_thread::sleep_for(1ms);
  const auto again = since(start);
  tell(n, "start", started, "ms");
  tell(n, "whole again", again, "ms");
  tell(n, "host memory each", memory, "KiB");
}

} // namespace

int main(int argc, char** argv) {
  bulkhead::init(argc, argv);
  caf::actor_system_config config;
  bulkhead::configure(config);
  caf::actor_system system{config};
  for (const std::size_t n : {500u, 1000u, 2000u, 4000u})
    measure(system, n);
}
