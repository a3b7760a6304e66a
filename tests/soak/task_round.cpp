// Single tasks of every kind, evil ones among them, while a nemesis kills and stops the workers.
#include "tests/soak/rounds.hpp"
#include "tests/support/evil_worker.hpp"
#include "tests/support/history.hpp"
#include "tests/support/nemesis.hpp"
#include "tests/support/own_forkserver.hpp"

#include <bulkhead/tasks.hpp>

#include <unistd.h>

#include <chrono>
#include <csignal>
#include <stdexcept>
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
    w.say(static_cast<runtime::answer_kind>(random % 10), w.own_position() + random % 64, random,
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

} // namespace

std::string bulkhead::tests::soak::task_round(std::mt19937& random, totals& sum) {
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
  if (const auto wrong = tests::soak::unbalanced(s); !wrong.empty())
    return wrong;
  sum.tasks += tasks;
  sum.values += h.values();
  sum.restarts += s.restarts;
  sum.lies += s.bad_messages;
  p.terminate();
  sum.signals += killer.stop();
  return h.violations(seen);
}
