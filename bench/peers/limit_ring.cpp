// What the machine allows: two processes and two rings of plain bytes in shared memory, with
// nothing checked, owned or isolated. The same workloads and lines as pool_bench.

#include <linux/futex.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <csignal>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <new>
#include <string>
#include <vector>

namespace {

using clock_type = std::chrono::steady_clock;

constexpr std::size_t slots = 4096;
constexpr std::chrono::microseconds longest_spin{50}; // as a worker of a pool

double us(clock_type::duration d) { return std::chrono::duration<double, std::micro>(d).count(); }

void report(const char* what, const char* metric, double value, const char* unit) {
  std::printf("{\"what\":\"%s\",\"metric\":\"%s\",\"value\":%.4g,\"unit\":\"%s\"}\n", what, metric,
              value, unit);
  std::fflush(stdout);
}

/// One writer, one reader.
struct ring {
  alignas(64) std::atomic<std::uint32_t> head;
  alignas(64) std::atomic<std::uint32_t> tail;
  alignas(64) std::atomic<std::uint32_t> asleep;
  alignas(64) std::uint64_t values[slots];

  // seq_cst throughout: the flag and the index are one writer's each and read by the other.
  void wait(std::uint32_t seen) {
    const auto until = clock_type::now() + longest_spin;
    do {
      for (int i = 0; i < 64; ++i)
        if (tail.load() != seen)
          return;
    } while (clock_type::now() < until);
    asleep.store(1);
    while (tail.load() == seen)
      ::syscall(SYS_futex, &tail, FUTEX_WAIT, seen, nullptr, nullptr, 0);
    asleep.store(0);
  }
  std::uint64_t take() {
    const auto at = head.load(std::memory_order_relaxed); // the reader's own
    if (tail.load() == at)
      wait(at);
    const auto value = values[at % slots];
    head.store(at + 1);
    return value;
  }
  bool put(std::uint64_t value) {
    const auto at = tail.load(std::memory_order_relaxed); // the writer's own
    if (at - head.load() == slots)
      return false;
    values[at % slots] = value;
    tail.store(at + 1);
    if (asleep.load() != 0)
      ::syscall(SYS_futex, &tail, FUTEX_WAKE, 1, nullptr, nullptr, 0);
    return true;
  }
};

struct area {
  ring there;
  ring back;
};

std::byte* shared(std::size_t bytes) {
  void* at = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (at == MAP_FAILED)
    std::abort();
  return static_cast<std::byte*>(at);
}

constexpr std::uint64_t stop = ~std::uint64_t{0};

template <class Work>
pid_t start(area& a, Work work) {
  const pid_t pid = ::fork();
  if (pid == 0) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    for (std::uint64_t value = a.there.take(); value != stop; value = a.there.take()) {
      work(value);
      while (!a.back.put(value)) {
      }
    }
    ::_exit(0);
  }
  return pid;
}

void finish(area& a, pid_t pid) {
  while (!a.there.put(stop)) {
  }
  ::waitpid(pid, nullptr, 0);
}

double median(std::vector<double> samples) {
  std::sort(samples.begin(), samples.end());
  return samples[samples.size() / 2];
}

template <class Pause>
double round_trip(int rounds, Pause pause) {
  auto& a = *new (shared(sizeof(area))) area{};
  const auto pid = start(a, [](std::uint64_t) {});
  std::vector<double> samples;
  for (int i = 0; i < rounds; ++i) {
    pause();
    const auto begin = clock_type::now();
    a.there.put(static_cast<std::uint64_t>(i));
    a.back.take();
    samples.push_back(us(clock_type::now() - begin));
  }
  finish(a, pid);
  return median(std::move(samples));
}

double single_messages(int count) {
  auto& a = *new (shared(sizeof(area))) area{};
  const auto pid = start(a, [](std::uint64_t) {});
  const auto begin = clock_type::now();
  int sent = 0;
  for (int got = 0; got < count;) {
    while (sent < count && a.there.put(static_cast<std::uint64_t>(sent)))
      ++sent;
    while (got < sent && a.back.tail.load() != a.back.head.load()) {
      a.back.take();
      ++got;
    }
  }
  const auto seconds = us(clock_type::now() - begin) / 1e6;
  finish(a, pid);
  return count / seconds;
}

/// A copy into shared memory, one out and in by the other side, one back: warm pages throughout.
double echo(std::size_t bytes, int rounds) {
  auto& a = *new (shared(sizeof(area))) area{};
  auto* there = shared(bytes);
  auto* back = shared(bytes);
  std::vector<std::byte> mine(bytes, std::byte{7});
  std::vector<std::byte> other(bytes);
  const auto pid = start(a, [&](std::uint64_t) {
    std::memcpy(other.data(), there, bytes);
    std::memcpy(back, other.data(), bytes);
  });
  std::vector<double> samples;
  for (int i = 0; i < rounds; ++i) {
    const auto begin = clock_type::now();
    std::memcpy(there, mine.data(), bytes);
    a.there.put(1);
    a.back.take();
    std::memcpy(mine.data(), back, bytes);
    samples.push_back(us(clock_type::now() - begin));
  }
  finish(a, pid);
  return static_cast<double>(bytes) / median(std::move(samples));
}

double first_result(int rounds) {
  std::vector<double> samples;
  for (int i = 0; i < rounds; ++i) {
    const auto begin = clock_type::now();
    auto& one = *new (shared(sizeof(area))) area{};
    auto& two = *new (shared(sizeof(area))) area{};
    const auto first = start(one, [](std::uint64_t) {});
    const auto second = start(two, [](std::uint64_t) {});
    one.there.put(1);
    one.back.take();
    samples.push_back(us(clock_type::now() - begin));
    finish(one, first);
    finish(two, second);
    ::munmap(&one, sizeof one);
    ::munmap(&two, sizeof two);
  }
  return median(std::move(samples));
}

} // namespace

int main() {
  report("W1 hot", "p50", round_trip(100'000, [] {}), "us");
  report("W1 asleep", "p50",
         round_trip(1000,
                    [] {
                      const timespec half_a_millisecond{0, 500'000};
                      ::nanosleep(&half_a_millisecond, nullptr);
                    }),
         "us");
  report("W2 1 workers", "throughput", single_messages(2'000'000), "task/s");
  report("W4 1 MiB", "throughput", echo(std::size_t{1} << 20, 200), "MB/s");
  report("W4 64 MiB", "throughput", echo(std::size_t{64} << 20, 10), "MB/s");
  report("W6 first result", "p50", first_result(50), "us");
}
