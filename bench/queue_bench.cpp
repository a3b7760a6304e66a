// Small items from one process to another, one JSON line each:
//   queue_bench [ITEMS]
// queue<int>, without a bound and with Boost's, beside Boost's message_queue (where it is
// installed) and a raw ring that validates nothing, never sleeps and does not outlive a killed
// process: the wall to measure against. queue_peer.py does the same with multiprocessing.Queue;
// scripts/bench runs it in between.

#include <bulkhead/tasks.hpp>

#include <time.h>
#include <unistd.h>

#if __has_include(<boost/interprocess/ipc/message_queue.hpp>)
#  define BENCH_HAS_BOOST 1
#  include <boost/interprocess/ipc/message_queue.hpp>
#endif

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <new>
#include <string>
#include <thread>

namespace {

using clock_type = std::chrono::steady_clock;

int count = 1'000'000;
constexpr std::size_t bound = 1024; ///< items in a queue, where it has one

/// Of this thread, in ns.
double processor_time() {
  timespec used{};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &used);
  return 1e9 * static_cast<double>(used.tv_sec) + static_cast<double>(used.tv_nsec);
}

void report(const char* what, const char* metric, double value, const char* unit) {
  std::printf("{\"what\":\"%s\",\"metric\":\"%s\",\"value\":%.4g,\"unit\":\"%s\"}\n", what, metric,
              value, unit);
  std::fflush(stdout);
}

/// Runs the producer in a process of its own; the clock begins with its first item. The processor
/// time of both sides for an item tells more than the clock where others use the machine, too.
template <class Get, class Put, class... Args>
void measure(const char* what, Get get, Put put, const Args&... args) {
  bulkhead::process producer(put, args..., count);
  producer.start();
  get();
  const auto start = clock_type::now();
  const auto used = processor_time();
  for (int i = 1; i < count; ++i)
    get();
  const auto took = std::chrono::duration<double>(clock_type::now() - start).count();
  const auto used_here = processor_time() - used;
  report(what, "items", count / took, "1/s");
  report(what, "producer's CPU", producer.template get<double>() / count, "ns");
  report(what, "consumer's CPU", used_here / count, "ns");
}

double fill_queue(bulkhead::queue<int> to, int items) {
  const auto used = processor_time();
  for (int i = 0; i < items; ++i)
    to.put(i);
  return processor_time() - used;
}

void queue(const char* what, std::size_t capacity) {
  bulkhead::queue<int> q(capacity);
  measure(
    what, [&] { q.get(); }, fill_queue, q);
}

struct raw_ring {
  static constexpr std::uint32_t slots = 1024;

  alignas(64) std::atomic<std::uint32_t> head{0};
  alignas(64) std::atomic<std::uint32_t> tail{0};
  alignas(64) std::array<int, slots> items{};

  void put(int item) noexcept {
    const auto at = tail.load(std::memory_order_relaxed); // only this side writes it
    // acquire: the slot was read before it is written again
    while (at - head.load(std::memory_order_acquire) == slots)
      std::this_thread::yield();
    items[at % slots] = item;
    tail.store(at + 1, std::memory_order_release); // after the item
  }
  int get() noexcept {
    const auto at = head.load(std::memory_order_relaxed); // only this side writes it
    while (tail.load(std::memory_order_acquire) == at)    // before the item
      std::this_thread::yield();
    const auto item = items[at % slots];
    head.store(at + 1, std::memory_order_release); // after the slot was read
    return item;
  }
};

raw_ring& ring_in(const bulkhead::shared_memory& memory) {
  return *reinterpret_cast<raw_ring*>(memory.bytes().data());
}

double fill_ring(bulkhead::shared_memory memory, int items) {
  auto& to = ring_in(memory);
  const auto used = processor_time();
  for (int i = 0; i < items; ++i)
    to.put(i);
  return processor_time() - used;
}

void ring() {
  bulkhead::shared_memory memory(sizeof(raw_ring));
  new (memory.bytes().data()) raw_ring;
  measure(
    "raw ring", [&from = ring_in(memory)] { from.get(); }, fill_ring, memory);
}

#ifdef BENCH_HAS_BOOST
namespace ipc = boost::interprocess;

double fill_boost(const std::string& name, int items) {
  ipc::message_queue to(ipc::open_only, name.c_str());
  const auto used = processor_time();
  for (int i = 0; i < items; ++i)
    to.send(&i, sizeof i, 0);
  return processor_time() - used;
}

void boost_queue() {
  const auto name = "bulkhead-bench-" + std::to_string(::getpid());
  ipc::message_queue from(ipc::create_only, name.c_str(), bound, sizeof(int));
  const auto get = [&] {
    int item = 0;
    ipc::message_queue::size_type size = 0;
    unsigned priority = 0;
    from.receive(&item, sizeof item, size, priority);
  };
  measure("boost message_queue", get, fill_boost, name);
  ipc::message_queue::remove(name.c_str());
}
#endif

} // namespace

int main(int argc, char** argv) {
  bulkhead::init(argc, argv);
  if (argc > 1)
    count = std::max(1000, std::atoi(argv[1]));
  queue("queue<int>", 0);
  queue("queue<int>(1024)", bound);
  ring();
#ifdef BENCH_HAS_BOOST
  boost_queue();
#endif
}
