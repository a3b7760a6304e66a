// Figures of actors in worker processes, one JSON line each, beside two others in the same run: the
// same actor in this process (in a thread of its own) and in another process behind CAF's own
// middleman on the loopback interface:
//   actor_bench [ROUNDS [ACTORS]]
// A1: one request at a time. A2: many at a time, and messages without an answer. A3: many actors.
// W10: a pool actor.
// No request has a time-out: CAF's clock would be what is measured. Ratios compare blocks that took
// turns; absolute times say little on a shared machine.

#include <bulkhead/actor.hpp>
#include <bulkhead/init.hpp>
#include <bulkhead/spawn_pool.hpp>

#include <caf/actor_system.hpp>
#include <caf/actor_system_config.hpp>
#include <caf/event_based_actor.hpp>
#include <caf/io/middleman.hpp>
#include <caf/scoped_actor.hpp>

#include <spawn.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <memory>
#include <string>
#include <vector>

using namespace std::chrono_literals;
using clock_type = std::chrono::steady_clock;

namespace {

double us(clock_type::duration d) { return std::chrono::duration<double, std::micro>(d).count(); }

void report(const std::string& what, const char* metric, double value, const char* unit) {
  std::printf("{\"what\":\"%s\",\"metric\":\"%s\",\"value\":%.4g,\"unit\":\"%s\"}\n", what.c_str(),
              metric, value, unit);
  std::fflush(stdout);
}

[[noreturn]] void fail(const std::string& what) {
  std::fprintf(stderr, "actor_bench: %s\n", what.c_str());
  std::exit(1);
}

double median(std::vector<double> samples) {
  std::sort(samples.begin(), samples.end());
  return samples[samples.size() / 2];
}

/// Answers numbers, counts texts.
caf::behavior service(caf::event_based_actor*) {
  auto texts = std::make_shared<std::int64_t>(0);
  return {
    [](std::int32_t x) { return x + 1; },
    [texts](const std::string&) { ++*texts; },
    [texts](caf::get_atom) { return std::exchange(*texts, 0); },
    [](caf::sys_atom) { return static_cast<std::int32_t>(::getpid()); },
  };
}

struct middleman_config : caf::actor_system_config {
  middleman_config() {
    load<caf::io::middleman>();
    set("scheduler.max-threads", 2);
    set("scheduler.policy", caf::atom("sharing")); // the default polls, which costs the others
  }
};

/// The other process behind CAF's middleman: tells its port, then serves until its stdin ends.
int serve_by_middleman() {
  middleman_config config;
  caf::actor_system system{config};
  const auto port = system.middleman().publish(system.spawn(service), 0, "127.0.0.1");
  if (!port)
    return 1;
  std::printf("%u\n", static_cast<unsigned>(*port));
  std::fflush(stdout);
  char end = 0;
  while (::read(STDIN_FILENO, &end, 1) > 0) {
  }
  ::_exit(0);
}

class middleman_peer {
public:
  middleman_peer() {
    int down[2];
    int up[2];
    if (::pipe(down) != 0 || ::pipe(up) != 0)
      fail("pipe");
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, down[0], STDIN_FILENO);
    posix_spawn_file_actions_adddup2(&actions, up[1], STDOUT_FILENO);
    for (const int fd : {down[0], down[1], up[0], up[1]})
      posix_spawn_file_actions_addclose(&actions, fd);
    std::array<char, 16> name{"actor_bench"};
    std::array<char, 16> role{"middleman"};
    char* const arguments[] = {name.data(), role.data(), nullptr};
    if (::posix_spawn(&pid_, "/proc/self/exe", &actions, nullptr, arguments, environ) != 0)
      fail("posix_spawn");
    posix_spawn_file_actions_destroy(&actions);
    ::close(down[0]);
    ::close(up[1]);
    leash_ = down[1];
    auto* said = ::fdopen(up[0], "r");
    unsigned port = 0;
    if (std::fscanf(said, "%u", &port) != 1)
      fail("the middleman's process did not start");
    std::fclose(said);
    system_ = std::make_unique<caf::actor_system>(config_);
    auto found = system_->middleman().remote_actor("127.0.0.1", static_cast<std::uint16_t>(port));
    if (!found)
      fail("remote_actor");
    service_ = *found;
  }
  ~middleman_peer() {
    service_ = nullptr;
    ::close(leash_);
    ::waitpid(pid_, nullptr, 0);
  }
  middleman_peer(const middleman_peer&) = delete;
  middleman_peer& operator=(const middleman_peer&) = delete;

  caf::actor_system& system() { return *system_; }
  const caf::actor& actor() const { return service_; }

private:
  pid_t pid_ = 0;
  int leash_ = -1;
  middleman_config config_;
  std::unique_ptr<caf::actor_system> system_;
  caf::actor service_;
};

struct host_system {
  explicit host_system(bool polls = false) {
    bulkhead::configure(config);
    config.set("scheduler.max-threads", 2);
    if (!polls)
      config.set("scheduler.policy", caf::atom("sharing"));
    system = std::make_unique<caf::actor_system>(config);
  }
  caf::actor_system_config config;
  std::unique_ptr<caf::actor_system> system;
};

/// One way to reach the same behaviour.
struct route {
  const char* name;
  caf::actor_system& system;
  caf::actor actor;
  std::vector<double> blocks = {}; ///< medians or rates, one a block
};

template <class T, class... Ts>
T ask(caf::scoped_actor& self, const caf::actor& whom, Ts&&... xs) {
  T result{};
  self->request(whom, caf::infinite, std::forward<Ts>(xs)...)
    .receive([&](const T& x) { result = x; },
             [&](const caf::error& e) { fail(self->system().render(e)); });
  return result;
}

void pause_for(std::chrono::microseconds time) {
  const timespec t{0, std::chrono::nanoseconds(time).count()};
  ::nanosleep(&t, nullptr);
}

/// One block of single requests; its median.
double requests(const route& r, int count, std::chrono::microseconds pause) {
  caf::scoped_actor self{r.system};
  std::vector<double> samples;
  for (int i = 0; i < count + count / 10; ++i) {
    if (pause.count() != 0)
      pause_for(pause);
    const auto start = clock_type::now();
    if (ask<std::int32_t>(self, r.actor, std::int32_t{i}) != i + 1)
      fail("a wrong answer");
    if (i >= count / 10)
      samples.push_back(us(clock_type::now() - start));
  }
  return median(std::move(samples));
}

/// Keeps `window` requests on their way, over all targets in turn; answers a second.
double pipelined(caf::actor_system& system, const std::vector<caf::actor>& targets, int total,
                 int window) {
  caf::scoped_actor self{system};
  const auto start = clock_type::now();
  system.spawn([&, me = caf::actor{self}](caf::event_based_actor* asker) {
    struct progress {
      int sent = 0;
      int answered = 0;
    };
    auto p = std::make_shared<progress>();
    auto next = std::make_shared<std::function<void()>>();
    *next = [=, &targets, weak = std::weak_ptr{next}] {
      const auto i = static_cast<std::size_t>(p->sent++);
      asker->request(targets[i % targets.size()], caf::infinite, static_cast<std::int32_t>(i))
        .then(
          [=, keep = weak.lock()](std::int32_t) {
            if (++p->answered == total)
              asker->send(me, caf::ok_atom_v);
            if (p->sent < total)
              (*keep)();
          },
          [asker](const caf::error& e) { fail(asker->system().render(e)); });
    };
    for (int i = 0; i < window && i < total; ++i)
      (*next)();
  });
  self->receive([](caf::ok_atom) {});
  return total / us(clock_type::now() - start) * 1e6;
}

/// Messages without an answer; counted at the other end.
double one_way(const route& r, int total) {
  caf::scoped_actor self{r.system};
  const std::string text(16, 'x');
  ask<std::int64_t>(self, r.actor, caf::get_atom_v);
  const auto start = clock_type::now();
  for (int i = 0; i < total; ++i)
    self->send(r.actor, text);
  if (ask<std::int64_t>(self, r.actor, caf::get_atom_v) != total)
    fail("messages are missing");
  return total / us(clock_type::now() - start) * 1e6;
}

/// Takes turns between the routes and reports each one's median and its ratio to the first.
template <class Measure>
void compare(const std::string& what, const char* metric, const char* unit, int blocks,
             std::vector<route>& routes, Measure measure) {
  for (auto& r : routes)
    r.blocks.clear();
  for (int i = 0; i < blocks; ++i)
    for (auto& r : routes)
      r.blocks.push_back(measure(r));
  for (auto& r : routes)
    report(what + " " + r.name, metric, median(r.blocks), unit);
  for (std::size_t at = 1; at < routes.size(); ++at) {
    std::vector<double> ratios;
    for (std::size_t i = 0; i < routes[0].blocks.size(); ++i)
      ratios.push_back(routes[0].blocks[i] / routes[at].blocks[i]);
    report(what + " worker / " + routes[at].name, metric, median(std::move(ratios)), "ratio");
  }
}

void messages() {
  host_system host;
  middleman_peer peer;
  bulkhead::pool p{*host.system, {.workers = 1, .actor_workers = 1}};
  std::vector<route> routes;
  routes.push_back({"worker", *host.system, p.spawn(service)});
  routes.push_back({"in process", *host.system, host.system->spawn<caf::detached>(service)});
  routes.push_back({"middleman", peer.system(), peer.actor()});
  compare("A1 hot", "p50", "us", 7, routes, [](const route& r) { return requests(r, 2000, 0us); });
  compare("A1 asleep", "p50", "us", 5, routes,
          [](const route& r) { return requests(r, 200, 500us); });
  compare("A2 window 1000", "throughput", "request/s", 5, routes,
          [](const route& r) { return pipelined(r.system, {r.actor}, 50'000, 1000); });
  compare("A2 one way", "throughput", "message/s", 5, routes,
          [](const route& r) { return one_way(r, 50'000); });
  caf::anon_send_exit(routes[1].actor, caf::exit_reason::user_shutdown);
}

/// The same requests where CAF's scheduler is as it comes: its threads look for work at intervals.
void default_scheduler() {
  host_system host{true};
  bulkhead::pool p{*host.system, {.workers = 1, .actor_workers = 1}};
  std::vector<route> routes;
  routes.push_back({"worker", *host.system, p.spawn(service)});
  routes.push_back({"in process", *host.system, host.system->spawn(service)});
  compare("A1 default scheduler, hot", "p50", "us", 5, routes,
          [](const route& r) { return requests(r, 1000, 0us); });
  compare("A1 default scheduler, asleep", "p50", "us", 5, routes,
          [](const route& r) { return requests(r, 200, 500us); });
  caf::anon_send_exit(routes[1].actor, caf::exit_reason::user_shutdown);
}

double memory_bytes(pid_t pid, const std::string& wanted) {
  std::ifstream rollup("/proc/" + std::to_string(pid) + "/smaps_rollup");
  for (std::string key; rollup >> key;)
    if (key == wanted) {
      double kib = 0;
      rollup >> kib;
      return kib * 1024;
    }
  return 0;
}

/// A3: `count` actors in two workers: what they cost, and whether a message costs the same.
void many_actors(int count) {
  host_system host;
  bulkhead::pool p{*host.system, {.workers = 1, .actor_workers = 2}};
  const auto name = "A3 " + std::to_string(count) + " actors";
  std::vector<caf::actor> all{p.spawn(service), p.spawn(service)};
  std::vector<pid_t> pids{::getpid()};
  {
    caf::scoped_actor self{*host.system};
    for (const auto& a : all)
      pids.push_back(ask<std::int32_t>(self, a, caf::sys_atom_v));
  }
  std::vector<double> before;
  for (const auto pid : pids)
    before.push_back(memory_bytes(pid, "Pss:"));
  const auto start = clock_type::now();
  while (static_cast<int>(all.size()) < count)
    all.push_back(p.spawn(service));
  report(name, "spawn", us(clock_type::now() - start) / count, "us/actor");
  report(name, "pss in the workers",
         (memory_bytes(pids[1], "Pss:") - before[1] + memory_bytes(pids[2], "Pss:") - before[2])
           / count,
         "B/actor");
  report(name, "pss in the host", (memory_bytes(pids[0], "Pss:") - before[0]) / count, "B/actor");
  const auto total = std::max(100'000, count);
  pipelined(*host.system, all, count, 1000);
  report(name, "throughput", pipelined(*host.system, all, total, 1000), "request/s");
}

double cpu_seconds() {
  timespec t{};
  ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
  return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_nsec) / 1e9;
}

/// W10: one pool actor in front of so many workers; the host's processor time for each message.
void pool_actor() {
  for (const std::size_t workers : {2, 8, 32}) {
    host_system host;
    auto front = bulkhead::spawn_pool(*host.system, {.actor_workers = workers}, service);
    pipelined(*host.system, {front}, 10'000, 1000);
    const auto name = "W10 " + std::to_string(workers) + " workers";
    const auto before = cpu_seconds();
    constexpr int total = 100'000;
    const auto rate = pipelined(*host.system, {front}, total, 1000);
    report(name, "host's cpu a message", (cpu_seconds() - before) / total * 1e6, "us");
    report(name, "throughput", rate, "request/s");
    caf::anon_send_exit(front, caf::exit_reason::user_shutdown);
  }
}

} // namespace

int main(int argc, char** argv) {
  if (argc == 2 && std::strcmp(argv[1], "middleman") == 0)
    return serve_by_middleman();
  bulkhead::init(argc, argv);
  const int rounds = argc > 1 ? std::atoi(argv[1]) : 1;
  const int most = argc > 2 ? std::atoi(argv[2]) : 100'000;
  for (int i = 0; i < rounds; ++i) {
    messages();
    default_scheduler();
    pool_actor();
    for (int count = 1000; count <= most; count *= 10)
      many_actors(count);
  }
}
