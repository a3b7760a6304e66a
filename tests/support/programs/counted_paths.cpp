// The hot paths one after the other, for callgrind, which counts the instructions of each.
#include "bench/parts/hot_paths.hpp"

#include <bulkhead/event.hpp>

#include <cstdlib>
#include <vector>

#if __has_include(<valgrind/callgrind.h>)
#  include <valgrind/callgrind.h>
#else
#  define CALLGRIND_ZERO_STATS
#  define CALLGRIND_DUMP_STATS_AT(name) static_cast<void>(name)
#endif

using namespace bulkhead;

namespace {

constexpr int turns = 1000;

int identity(int x) { return x; }

/// What the first turns need once (relocations, the allocator's caches) does not count.
template <class Turn>
void count(const char* path, Turn turn) {
  for (int i = 0; i < turns; ++i)
    turn(i);
  CALLGRIND_ZERO_STATS;
  for (int i = 0; i < turns; ++i)
    turn(i);
  CALLGRIND_DUMP_STATS_AT(path);
}

template <class Path>
void count_path(const char* name) {
  Path path;
  count(name, [&](int) {
    if (!path.turn())
      std::abort();
  });
}

/// Behind a task that holds the only worker, so that nobody else does anything meanwhile.
void count_submits() {
  pool p{{.workers = 1, .start = start_method::thread, .queue_capacity = 10'000}};
  for (int i = 0; i < 100; ++i) // the pool learns that they are short
    p.apply(identity, i);
  event begun;
  event gate;
  const auto holder = p.submit(
    [](event told, event until) {
      told.set();
      until.wait();
    },
    begun, gate);
  begun.wait();
  std::vector<future<int>> all;
  all.reserve(4 * turns);
  count("submit", [&](int i) { all.push_back(p.submit(identity, i)); });
  auto ranked = p.with({.priority = 1});
  count("submit alone", [&](int i) { all.push_back(ranked.submit(identity, i)); });
  gate.set();
  for (const auto& f : all)
    f.wait();
}

} // namespace

int main(int argc, char** argv) {
  bulkhead::init(argc, argv);
  count_path<hot_paths::ring>("ring");
  count_path<hot_paths::codec>("codec");
  count_path<hot_paths::ledger>("ledger");
  count_submits();
}
