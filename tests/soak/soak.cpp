// soak [--seed N] [--seconds S]: chaos, seeded. Random rounds of tasks, maps, processes and actors
// of every kind, evil ones among them, while workers and the forkserver are killed. After each
// round an independent checker compares what the host was told with what the workers did, and the
// host must hold no more descriptors and, in the long run, no more memory than before. Exit status
// 0: all promises kept. The plan of a run depends on its seed alone; the machine's timing does not
// repeat.
#include "tests/soak/rounds.hpp"
#include "tests/support/eventually.hpp"
#include "tests/support/own_usage.hpp"

#include <bulkhead/tasks.hpp>
#include <bulkhead/testing/leak_guard.hpp>

#include <malloc.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <exception>
#include <random>
#include <string>

using namespace bulkhead;
using namespace bulkhead::tests;
using namespace bulkhead::tests::soak;

namespace {

std::string play_round(std::mt19937& random, totals& sum) try {
  ++sum.rounds;
  switch (random() % 8) {
  case 0:
    return process_round(random, sum);
  case 1:
  case 2:
    return actor_round(random, sum);
  case 3:
  case 4:
    return map_round(random, sum);
  default:
    return task_round(random, sum);
  }
} catch (const std::exception& e) {
  return "round " + std::to_string(sum.rounds) + " threw: " + e.what() + "\n";
}

/// Whether memory grows round by round, once caches and arenas have been filled.
class flatness {
public:
  /// After each round; what is wrong, or nothing.
  std::string look(std::size_t round) {
    auto now = held_bytes();
    if (round == warm_rounds)
      at_start_ = now;
    // What other threads let go of a little later is no growth.
    const bool settled = round <= warm_rounds || eventually([&] {
                           now = held_bytes();
                           return now < at_start_ + allowed_bytes;
                         });
    if (settled)
      return {};
    return "resident memory grew from " + std::to_string(at_start_ / 1024) + " to "
           + std::to_string(now / 1024) + " KiB\n";
  }

private:
  /// Without what is free, wherever it lies in the allocator's heaps.
  static std::size_t held_bytes() {
    ::malloc_trim(0);
    return own_rss_bytes();
  }

  static constexpr std::size_t warm_rounds = 40;
  static constexpr std::size_t allowed_bytes = std::size_t{64} << 20;
  std::size_t at_start_ = 0;
};

/// The value of `--name N` or its default.
std::uint64_t argument(int argc, char** argv, const char* name, std::uint64_t otherwise) {
  for (int i = 1; i + 1 < argc; ++i)
    if (std::strcmp(argv[i], name) == 0)
      return std::strtoull(argv[i + 1], nullptr, 10);
  return otherwise;
}

int run_soak(std::uint64_t seed, std::chrono::seconds length) {
  std::mt19937 random{static_cast<std::uint32_t>(seed)};
  totals sum;
  testing::leak_guard guard;
  const auto end = std::chrono::steady_clock::now() + length;
  flatness memory;
  std::string wrong;
  do {
    wrong = play_round(random, sum);
    if (wrong.empty())
      wrong = memory.look(sum.rounds);
  } while (wrong.empty() && std::chrono::steady_clock::now() < end);
  if (wrong.empty())
    wrong = guard.leaked();
  std::printf("soak: seed %llu, %zu rounds, %zu tasks, %zu values, %zu processes, %zu requests, "
              "%llu signals, %llu replacements, "
              "%llu bad messages, resident %zu KiB\n",
              static_cast<unsigned long long>(seed), sum.rounds, sum.tasks, sum.values,
              sum.processes, sum.requests, static_cast<unsigned long long>(sum.signals),
              static_cast<unsigned long long>(sum.restarts),
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
  return run_soak(argument(argc, argv, "--seed", static_cast<std::uint64_t>(std::time(nullptr))),
                  std::chrono::seconds{argument(argc, argv, "--seconds", 120)});
}
