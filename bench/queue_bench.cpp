// Small items from one process to another, one JSON line each:
//   queue_bench
// queue<int> beside Boost's message_queue (where it is installed) and a raw ring that validates
// nothing, never sleeps and does not outlive a killed process: the wall to measure against.
// queue_peer.py does the same with multiprocessing.Queue; scripts/bench runs it in between.

#include <bulkhead/tasks.hpp>

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
#include <new>
#include <string>
#include <thread>

namespace {

using clock_type = std::chrono::steady_clock;

constexpr int count = 300'000;

void report(const char* what, clock_type::time_point start) {
  const auto took = std::chrono::duration<double>(clock_type::now() - start).count();
  std::printf("{\"what\":\"%s\",\"metric\":\"items\",\"value\":%.4g,\"unit\":\"1/s\"}\n", what,
              count / took);
  std::fflush(stdout);
}

/// Runs the producer in a process of its own; the clock begins with its first item.
template <class Get, class Put, class... Args>
void measure(const char* what, Get get, Put put, const Args&... args) {
  bulkhead::process producer(put, args...);
  producer.start();
  get();
  const auto start = clock_type::now();
  for (int i = 1; i < count; ++i)
    get();
  report(what, start);
  producer.join();
}

void fill_queue(bulkhead::queue<int> to) {
  for (int i = 0; i < count; ++i)
    to.put(i);
}

void queue() {
  bulkhead::queue<int> q;
  measure(
    "queue<int>", [&] { q.get(); }, fill_queue, q);
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

void fill_ring(bulkhead::shared_memory memory) {
  for (int i = 0; i < count; ++i)
    ring_in(memory).put(i);
}

void ring() {
  bulkhead::shared_memory memory(sizeof(raw_ring));
  new (memory.bytes().data()) raw_ring;
  measure(
    "raw ring", [&] { ring_in(memory).get(); }, fill_ring, memory);
}

#ifdef BENCH_HAS_BOOST
namespace ipc = boost::interprocess;

void fill_boost(const std::string& name) {
  ipc::message_queue to(ipc::open_only, name.c_str());
  for (int i = 0; i < count; ++i)
    to.send(&i, sizeof i, 0);
}

void boost_queue() {
  const auto name = "bulkhead-bench-" + std::to_string(::getpid());
  ipc::message_queue from(ipc::create_only, name.c_str(), 1024, sizeof(int));
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
  queue();
  ring();
#ifdef BENCH_HAS_BOOST
  boost_queue();
#endif
}
