// soak [--seed N] [--seconds S]: chaos, seeded. Rounds of random pools with tasks of every kind,
// evil ones among them, while a nemesis kills and stops workers and the forkserver. After each
// round an independent checker compares what the host was told with what the workers did. Exit
// status 0: all promises kept. The plan of a run depends on its seed alone; the machine's timing
// does not repeat.
#include "tests/support/evil_worker.hpp"
#include "tests/support/history.hpp"
#include "tests/support/nemesis.hpp"
#include "tests/support/own_forkserver.hpp"
#include "tests/support/own_usage.hpp"

#include <bulkhead/tasks.hpp>
#include <bulkhead/testing/leak_guard.hpp>

#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <random>
#include <stdexcept>
#include <string>
#include <unistd.h>
#include <vector>

using namespace bulkhead;
using namespace bulkhead::tests;
using namespace std::chrono_literals;

namespace {

enum class kind : std::uint8_t {
  value,
  value_2,
  value_3,
  spin,
  large_result,
  exception,
  crash,
  leave,
  stop,
  lie,
  count
};

void spin_for(std::chrono::nanoseconds time) {
  const auto end = std::chrono::steady_clock::now() + time;
  while (std::chrono::steady_clock::now() < end) {
  }
}

void lie_to_the_host(std::uint32_t random) {
  evil_worker w;
  if (random % 2 == 0)
    w.publish(w.tail() + random);
  else
    w.say(static_cast<runtime::answer_kind>(random % 9), w.own_position() + random % 64, random,
          random % 256);
  wait_for_the_end();
}

std::string run(int n, kind what, std::uint32_t random) {
  witness::start(static_cast<std::size_t>(n));
  switch (what) {
  case kind::spin:
    spin_for(std::chrono::microseconds{random % 3000});
    break;
  case kind::exception:
    throw std::runtime_error("task " + std::to_string(n));
  case kind::crash:
    ::raise(random % 2 == 0 ? SIGSEGV : SIGKILL);
    break;
  case kind::leave:
    ::_exit(static_cast<int>(random % 3));
  case kind::stop:
    ::raise(SIGSTOP);
    break;
  case kind::lie:
    lie_to_the_host(random);
    break;
  default:
    break;
  }
  witness::end(static_cast<std::size_t>(n));
  return what == kind::large_result ? std::string(random % 3'000'000, 'x') : std::to_string(n);
}

kind draw(std::mt19937& random) {
  const auto throw_of = random() % 1000;
  if (throw_of < 970)
    return static_cast<kind>(random() % 6);
  return static_cast<kind>(6 + random() % 4);
}

pool_options draw_options(std::mt19937& random, const witness& seen, const nemesis& killer) {
  pool_options o;
  o.workers = 1 + random() % 4;
  o.initializer = call(&witness::open, seen.path());
  o.grace = 200ms;
  o.unresponsive_after = 500ms;
  o.queue_capacity = 1 + random() % 1000;
  o.retries = random() % 3;
  o.max_tasks_per_worker = random() % 3 == 0 ? 1 + random() % 200 : 0;
  o.max_age_per_worker = std::chrono::milliseconds{random() % 3 == 0 ? 100 + random() % 400 : 0};
  o.ring_capacity = std::size_t{64 * 1024} << (random() % 5);
  o.dispatch = static_cast<dispatch_policy>(random() % 3);
  o.restart = {.max_restarts = 1'000'000, .backoff_initial = 1ms, .backoff_max = 20ms};
  o.on_event = killer.feed();
  return o;
}

struct totals {
  std::size_t rounds = 0;
  std::size_t tasks = 0;
  std::size_t values = 0;
  std::uint64_t signals = 0;
  std::uint64_t restarts = 0;
  std::uint64_t lies = 0;
};

/// Violations of one round; empty: none.
std::string play_round(std::mt19937& random, totals& sum) {
  constexpr int tasks = 3000;
  const witness seen{tasks};
  history h;
  nemesis killer{{.interval = std::chrono::milliseconds{10 + random() % 60},
                  .seed = static_cast<std::uint32_t>(random()),
                  .kill_percent = 80}};
  const auto options = draw_options(random, seen, killer);
  pool p{options};
  std::vector<future<std::string>> all;
  for (int i = 0; i < tasks; ++i) {
    h.submitted(static_cast<std::size_t>(i), options.retries + 1);
    all.push_back(p.submit(run, i, draw(random), static_cast<std::uint32_t>(random())));
    const auto chance = random() % 2000;
    if (chance < 40)
      all[random() % all.size()].cancel(chance < 10);
    else if (chance == 40)
      p.resize(1 + random() % 4);
    else if (chance == 41)
      signal_forkserver(SIGKILL);
  }
  const bool ends_early = random() % 4 == 0;
  if (ends_early)
    p.terminate();
  for (std::size_t i = 0; i < all.size(); ++i) {
    if (!all[i].wait(120s))
      return "item " + std::to_string(i) + " has no outcome after two minutes\n";
    h.ended(i, all[i].outcome());
  }
  const auto s = p.stats();
  sum.rounds += 1;
  sum.tasks += tasks;
  sum.values += h.values();
  sum.restarts += s.restarts;
  sum.lies += s.bad_messages;
  p.terminate();
  sum.signals += killer.stop();
  return h.violations(seen);
}

/// The value of `--name N` or its default.
std::uint64_t argument(int argc, char** argv, const char* name, std::uint64_t otherwise) {
  for (int i = 1; i + 1 < argc; ++i)
    if (std::strcmp(argv[i], name) == 0)
      return std::strtoull(argv[i + 1], nullptr, 10);
  return otherwise;
}

int soak(std::uint64_t seed, std::chrono::seconds length) {
  std::mt19937 random{static_cast<std::uint32_t>(seed)};
  totals sum;
  testing::leak_guard guard;
  const auto end = std::chrono::steady_clock::now() + length;
  std::string wrong;
  do
    wrong = play_round(random, sum);
  while (wrong.empty() && std::chrono::steady_clock::now() < end);
  if (wrong.empty())
    wrong = guard.leaked();
  std::printf(
    "soak: seed %llu, %zu rounds, %zu tasks, %zu values, %llu signals, %llu replacements, "
    "%llu bad messages, resident %zu KiB\n",
    static_cast<unsigned long long>(seed), sum.rounds, sum.tasks, sum.values,
    static_cast<unsigned long long>(sum.signals), static_cast<unsigned long long>(sum.restarts),
    static_cast<unsigned long long>(sum.lies), own_rss_bytes() / 1024);
  if (wrong.empty())
    return 0;
  std::printf("%s\nreplay: soak --seed %llu\n", wrong.c_str(),
              static_cast<unsigned long long>(seed));
  return 1;
}

} // namespace

int main(int argc, char** argv) {
  init(argc, argv);
  {
    pool first{{.workers = 1}}; // what the library keeps between pools
    first.apply([] {});
  }
  return soak(argument(argc, argv, "--seed", static_cast<std::uint64_t>(std::time(nullptr))),
              std::chrono::seconds{argument(argc, argv, "--seconds", 120)});
}
