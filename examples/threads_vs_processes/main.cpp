// The same work on threads and on processes: time, memory, and what one crash costs in each.

#include <bulkhead/bulkhead.hpp>

#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <numeric>
#include <ranges>
#include <string>
#include <vector>

namespace {

using std::chrono::steady_clock;

int collatz_steps(long n) {
  int steps = 0;
  for (; n != 1; ++steps)
    n = n % 2 == 0 ? n / 2 : 3 * n + 1;
  return steps;
}

long steps_of_block(long block) {
  long steps = 0;
  for (long n = 1; n <= 1000; ++n)
    steps += collatz_steps(1000 * block + n);
  return steps;
}

long crash_at_13(long block) {
  if (block == 13)
    *static_cast<volatile int*>(nullptr) = 1;
  return steps_of_block(block);
}

double milliseconds_since(steady_clock::time_point start) {
  return std::chrono::duration<double, std::milli>(steady_clock::now() - start).count();
}

/// Memory of a process, shared pages counted in part, in KiB.
long memory_of(pid_t pid) {
  std::ifstream file{"/proc/" + std::to_string(pid) + "/smaps_rollup"};
  for (std::string word; file >> word;)
    if (long kib = 0; word == "Pss:" && file >> kib)
      return kib;
  return 0;
}

void run(bulkhead::start_method method) {
  auto start = steady_clock::now();
  bulkhead::pool pool({.workers = 4, .start = method});
  pool.apply(steps_of_block, 0L);
  std::printf("  first result after  %.1f ms\n", milliseconds_since(start));

  start = steady_clock::now();
  const auto blocks = pool.map(steps_of_block, std::views::iota(0L, 2000L));
  std::printf("  2000 tasks took     %.1f ms, sum %ld\n", milliseconds_since(start),
              std::reduce(blocks.begin(), blocks.end()));

  long memory = memory_of(getpid());
  for (const auto& worker : pool.workers())
    memory += worker.pid > 0 ? memory_of(worker.pid) : 0;
  std::printf("  memory in all       %ld KiB\n", memory);
  std::fflush(stdout); // what follows may be the end of it

  int delivered = 0;
  for (const auto& outcome : pool.try_map(crash_at_13, std::views::iota(0L, 100L)))
    delivered += outcome.has_value() ? 1 : 0;
  std::printf("  one of 100 crashed  %d delivered\n", delivered);
}

/// Each run has a process of its own, which may crash.
void run_in_child(const char* name, bulkhead::start_method method) {
  std::puts(name);
  std::fflush(stdout);
  bulkhead::process child(run, method);
  child.start();
  child.join();
  if (const int code = *child.exit_code(); code < 0)
    std::printf("  one of 100 crashed  the whole program, by SIG%s; nothing was delivered\n",
                sigabbrev_np(-code));
}

} // namespace

int main(int argc, char** argv) {
  bulkhead::init(argc, argv);
  run_in_child("thread", bulkhead::start_method::thread);
  run_in_child("forkserver", bulkhead::start_method::forkserver);
}
