// A tree of supervised actors: how long it takes to start, and to be whole again after one of its
// workers was killed; what the host pays for each actor. How long an actor lives on that does not
// yield, and a start beside it takes.
#include <bulkhead/init.hpp>
#include <bulkhead/supervisor.hpp>

#include <caf/actor_system.hpp>
#include <caf/actor_system_config.hpp>
#include <caf/event_based_actor.hpp>
#include <caf/scoped_actor.hpp>

#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <fstream>
#include <memory>
#include <string>
#include <thread>
#include <vector>

using namespace bulkhead;
using namespace std::chrono_literals;

namespace {

using clock_type = std::chrono::steady_clock;
constexpr std::size_t workers_of_tree = 10;

caf::behavior wild(caf::event_based_actor*) {
  return {
    [](caf::put_atom) {
      for (volatile std::uint64_t i = 0;;)
        i = i + 1;
    },
    [](caf::tick_atom) { ::pause(); },
    [](caf::add_atom) {
      std::vector<std::unique_ptr<std::vector<char>>> kept;
      for (;;)
        kept.push_back(std::make_unique<std::vector<char>>(std::size_t{1} << 20, 'x'));
    },
    [](int x) { return x; },
  };
}

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

void tell_wild(const char* who, const char* metric, double value) {
  std::printf(R"({"what":"%s","metric":"%s","value":%.2f,"unit":"ms"})"
              "\n",
              who, metric, value);
}

/// With a grace of 100 ms; one that leaks has 64 MiB.
template <class Misdeed>
void measure_wild(caf::actor_system& system, const char* who, Misdeed misdeed, bool ends_itself) {
  pool workers{system,
               {.workers = 1,
                .max_memory_per_worker = ends_itself ? std::size_t{64} << 20 : 0,
                .grace = 100ms,
                .actor_workers = 2}};
  supervisor tree{
    workers, {.max_restarts = 100}, {{.id = "wild", .start = child(placement::own_process, wild)}}};
  const auto restarted = [&] { return tree.which_children().front().incarnations == 2; };
  caf::scoped_actor self{system};
  const auto start = clock_type::now();
  self->send(tree.child("wild"), misdeed);
  const auto beside = clock_type::now();
  workers.spawn(idle);
  tell_wild(who, "start beside it", since(beside));
  std::this_thread::sleep_for(ends_itself ? 0ms : 50ms);
  const auto killed = ends_itself ? start : clock_type::now();
  if (!ends_itself)
    kill(tree.child("wild"));
  while (!restarted())
    std::this_thread::sleep_for(1ms);
  tell_wild(who, "ended and started again", since(killed));
}

bool whole(const supervisor& tree, std::size_t restarted) {
  const auto all = tree.which_children();
  const auto again =
    std::count_if(all.begin(), all.end(), [](const auto& c) { return c.incarnations == 2; });
  return static_cast<std::size_t>(again) == restarted
         && std::all_of(all.begin(), all.end(),
                        [](const auto& c) { return c.status == child_status::running; });
}

/// What the host pays for each actor that nobody supervises: the measure for the rest.
void measure_alone(caf::actor_system& system, std::size_t n) {
  pool workers{system, {.workers = 1, .actor_workers = workers_of_tree}};
  std::vector<caf::actor> all;
  all.reserve(n);
  all.push_back(workers.spawn(idle));
  const auto before = resident_kib();
  while (all.size() < n)
    all.push_back(workers.spawn(idle));
  const auto memory = static_cast<double>(resident_kib() - before) / static_cast<double>(n);
  tell(n, "host memory each, alone", memory, "KiB");
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
  measure_alone(system, 4000);
  for (const std::size_t n : {500u, 1000u, 2000u, 4000u})
    measure(system, n);
  measure_wild(system, "an endless loop", caf::put_atom_v, false);
  measure_wild(system, "a blocking call", caf::tick_atom_v, false);
  measure_wild(system, "a leak", caf::add_atom_v, true);
}
