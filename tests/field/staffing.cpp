// Workers: how many there are, how they start and end, what waits for them.
#include "tests/field/helpers.hpp"

#include <array>
#include <atomic>
#include <random>

#include <sys/resource.h>
#include <sys/wait.h>

using namespace bulkhead;
using namespace bulkhead::field;

namespace {

int nap(int micros) {
  ::usleep(static_cast<useconds_t>(micros));
  return micros;
}

int quit(int code) { ::_exit(code); }

/// Runs 60 short tasks and tells how many workers lived at once, by the pool's events.
std::string most_workers(pool_options options) {
  std::atomic<int> alive = 0;
  std::atomic<int> most = 0;
  options.workers = 2;
  options.on_event = [&](const pool_event& e) {
    if (e.kind == event_kind::started)
      most = std::max<int>(most, ++alive);
    else if (e.kind == event_kind::died || e.kind == event_kind::recycled)
      --alive;
  };
  std::size_t results = 0;
  {
    pool p{options};
    results = p.map(nap, std::vector<int>(60, 2000), {.chunk = 1}).size();
  }
  return counted(results, "results, ") + (most <= 2 ? "at most 2" : std::to_string(most));
}

/// Throws 6 exceptions within each other, 100 KB of text in all.
void nest(int depth) {
  if (depth == 0)
    throw std::runtime_error(std::string(16'000, 'x'));
  try {
    nest(depth - 1);
  } catch (...) {
    std::throw_with_nested(std::runtime_error(std::string(16'000, 'y')));
  }
}

/// As a large model or a slow disk would: long before main, and in workers only.
struct slow_start {
  slow_start() {
    const auto* micros = std::getenv("FIELD_SLOW_START");
    std::ifstream file("/proc/self/cmdline");
    const std::string line{std::istreambuf_iterator<char>(file), {}};
    if (micros != nullptr && line.find("--bulkhead-worker") != std::string::npos)
      ::usleep(static_cast<useconds_t>(std::atoi(micros)));
  }
};
const slow_start slow;

} // namespace

FIELD_PROGRAM(workers_of_one_task_each_never_outnumber_the_pool, "60 results, at most 2", "") {
  return most_workers({.max_tasks_per_worker = 1});
}

FIELD_PROGRAM(workers_of_an_age_never_outnumber_the_pool, "60 results, at most 2", "") {
  return most_workers({.max_age_per_worker = 5ms});
}

FIELD_PROGRAM(crashes_while_a_thread_waits_cost_no_descriptors, "150 crashed, then 2", "") {
  const rlimit few{128, 128};
  ::setrlimit(RLIMIT_NOFILE, &few);
  const gate closed;
  pool p{{.workers = 2}};
  const auto longest = p.submit(pass, closed.path());
  std::thread waiter{[&] { longest.wait(); }};
  int crashed = 0;
  for (int i = 0; i < 150; ++i)
    crashed += p.submit(quit, 3).outcome().failure().kind == failure_kind::worker_died;
  const auto after = word(p.submit(plus_one, 1).outcome());
  closed.open();
  waiter.join();
  return counted(crashed, "crashed, then ") + after;
}

FIELD_PROGRAM(nobody_waits_for_a_worker_that_never_starts, "1, 2, map of 100", "") {
  pool p{{.workers = 2,
          .initializer =
            [] {
              while (this_worker::id() == 2)
                ::pause();
            },
          .grace = 50ms}};
  const auto first = p.submit(plus_one, 0).outcome();
  const auto second = p.submit(plus_one, 1).outcome();
  return word(first) + ", " + word(second) + ", map of "
         + std::to_string(p.map(plus_one, numbers(100)).size());
}

FIELD_PROGRAM(a_broadcast_whose_worker_dies_ends, "it ended; then 2; closed", "") {
  pool p{{.workers = 1}};
  const auto dies = p.submit([] {
    ::usleep(100'000);
    std::abort();
  });
  const auto behind = p.submit(plus_one, 1);
  try {
    p.broadcast([] { return 7; });
  } catch (const worker_died&) {
    dies.wait(); // it says that its worker is gone
  }
  const auto after = word(p.submit(plus_one, 1).outcome());
  p.close();
  return "it ended; then " + after + (p.join(60s) ? "; closed" : "; never closed");
}

FIELD_PROGRAM(a_broadcast_reaches_every_worker_however_short_it_lives, "100 of 100 values", "") {
  pool p{{.workers = 2, .max_tasks_per_worker = 1}};
  std::size_t values = 0;
  for (int i = 0; i < 50; ++i)
    values += p.broadcast([] { return 1; }).size();
  return std::to_string(values) + " of 100 values";
}

FIELD_PROGRAM(a_long_text_of_an_initializer_fits_a_small_ring, "pool_broken, bounded text", "") {
  pool p{{.workers = 1,
          .initializer = [] { nest(6); },
          .restart = {.max_restarts = 1},
          .ring_capacity = 65'536}};
  const auto o = p.submit(plus_one, 1).outcome();
  return word(o) + (o.failure().message.size() < 65'536 ? ", bounded text" : ", endless text");
}

FIELD_PROGRAM(slow_static_constructors_are_no_silence, "2, 0 restarts", "FIELD_SLOW_START=900000") {
  pool p{{.workers = 1, .start = start_method::spawn, .unresponsive_after = 300ms}};
  const auto o = p.submit(plus_one, 1).outcome();
  return word(o) + ", " + counted(p.stats().restarts, "restarts");
}

FIELD_PROGRAM(an_initializer_that_crashes_is_named_with_its_place, "named, with a backtrace",
              "open") {
  pool p{{.workers = 1, .initializer = [] { std::abort(); }, .restart = {.max_restarts = 1}}};
  const auto f = p.submit(plus_one, 1).outcome().failure();
  const bool named = f.message.find("initializer") != std::string::npos;
  return std::string(named ? "named" : "not named")
         + (f.backtrace.empty() ? ", without a backtrace" : ", with a backtrace");
}

FIELD_PROGRAM(every_death_has_its_own_status, "160 deaths, 0 with a wrong status", "") {
  pool p{{.workers = 4}};
  int wrong = 0;
  for (int round = 0; round < 10; ++round) {
    std::vector<future<int>> all;
    for (int i = 0; i < 16; ++i)
      all.push_back(p.submit(quit, 1 + round * 16 % 80 + i));
    for (int i = 0; i < 16; ++i) {
      const auto exit = all[static_cast<std::size_t>(i)].outcome().failure().exit;
      wrong += exit.cause != exit_cause::exited || exit.code != 1 + round * 16 % 80 + i;
    }
  }
  return "160 deaths, " + counted(wrong, "with a wrong status");
}

FIELD_PROGRAM(what_preload_started_outlives_other_workers, "alive, alive", "") {
  const temporary_folder folder;
  const auto file = (folder.path() / "pid").string();
  std::array<char, 256> name{};
  file.copy(name.data(), name.size() - 1);
  preload([name] {
    const auto pid = ::fork();
    if (pid == 0) {
      ::alarm(120); // whatever happens to the rest
      for (;;)
        ::pause();
    }
    std::ofstream(name.data()) << pid;
  });
  pool p{{.workers = 2}};
  p.map(plus_one, {1, 2, 3});
  pid_t helper = 0;
  std::ifstream(file) >> helper;
  const auto shown = [&] {
    const char state = state_of(helper);
    return std::string(helper != 0 && state != '\0' && state != 'Z' ? "alive" : "gone");
  };
  const auto before = shown();
  p.submit(quit, 3).wait();
  eventually([&] { return p.stats().restarts == 1; });
  p.submit(plus_one, 1).wait();
  const auto after = shown();
  if (helper > 0)
    ::kill(helper, SIGKILL);
  return before + ", " + after;
}

FIELD_PROGRAM(pools_of_forks_start_beside_a_pool_that_dies_all_the_time, "20 of 20 pools served",
              "") {
  pool dying{{.workers = 2}};
  const auto deaths = dying.map_async(quit, std::vector<int>(60'000, 3), {.chunk = 1});
  int served = 0;
  for (int i = 0; i < 20; ++i) {
    pool p{{.workers = 1, .start = start_method::fork}};
    served += word(p.submit(plus_one, 1).outcome()) == "2";
  }
  dying.terminate();
  return std::to_string(served) + " of 20 pools served";
}

FIELD_PROGRAM(pools_of_forks_end_while_a_copy_of_the_host_lives, "3 pools ended", "") {
  int ended = 0;
  pid_t copy = 0;
  for (int i = 0; i < 3; ++i) {
    pool p{{.workers = 1, .start = start_method::fork}};
    p.apply([] {});
    if (i == 0 && (copy = ::fork()) == 0) {
      ::alarm(60);
      for (;;)
        ::pause();
    }
    p.close();
    ended += p.join(60s);
  }
  ::kill(copy, SIGKILL);
  ::waitpid(copy, nullptr, 0);
  return counted(ended, "pools ended");
}

FIELD_PROGRAM(a_forkserver_that_dies_without_free_descriptors_is_replaced, "serves, 0 zombies",
              "") {
  {
    pool{{.workers = 1}}.apply([] {});
  }
  const rlimit few{200, 200};
  ::setrlimit(RLIMIT_NOFILE, &few);
  for (int spare = 0; spare <= 12; spare += 4) {
    if (const auto pid = forkserver(); pid != 0)
      ::kill(pid, SIGKILL);
    std::vector<int> held;
    for (int fd = ::dup(0); fd >= 0; fd = ::dup(0))
      held.push_back(fd); // NOLINT(performance-inefficient-vector-operation): nobody knows how many
    for (int i = 0; i < spare; ++i)
      ::close(held[held.size() - 1 - static_cast<std::size_t>(i)]);
    try {
      process child(plus_one, 1);
      child.start();
      child.join();
    } catch (const std::exception&) {
      ::usleep(1000); // too few descriptors is an answer
    }
    for (std::size_t i = 0; i + static_cast<std::size_t>(spare) < held.size(); ++i)
      ::close(held[i]);
  }
  pool p{{.workers = 1}};
  const auto served = word(p.submit(plus_one, 1).outcome()) == "2" ? "serves, " : "is broken, ";
  eventually([] { return zombies() == 0; });
  return served + counted(zombies(), "zombies");
}

FIELD_PROGRAM(a_program_that_executes_itself_anew_gains_no_zombies, "0 zombies", "open") {
  const int round = arguments().empty() ? 0 : std::stoi(arguments().front());
  if (round < 3) {
    pool p{{.workers = 1}};
    p.apply([] {});
    const auto next = std::to_string(round + 1);
    ::execl("/proc/self/exe", "field_pool", "a_program_that_executes_itself_anew_gains_no_zombies",
            next.c_str(), static_cast<char*>(nullptr));
  }
  pool p{{.workers = 1}};
  p.apply([] {});
  eventually([] { return zombies() == 0; }, 2s);
  return counted(zombies(), "zombies");
}
