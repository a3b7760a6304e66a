// Snippets of the guide: tasks and workers looked at while they live, and spread with care.

#include <bulkhead/bulkhead.hpp>

#include <poll.h>

#include <chrono>
#include <iostream>
#include <optional>
#include <string>
#include <thread>
#include <vector>

using namespace std::chrono_literals;

int parse(const std::string& text) { return std::stoi(text); }

void origin(bulkhead::pool& pool) {
  //[
  auto outcome = pool.submit(parse, "forty-two").outcome();
  std::cout << outcome.failure().thrown_at.text(); // #0 ... std::__throw_invalid_argument ...
                                                   // #2 ... parse(...) at tasks.cpp:12 ...
  //]
}

//[
int ask_a_replica(const std::string& question) {
  std::this_thread::sleep_for(1ms); // mostly; now and then one hangs
  return static_cast<int>(question.size());
}

void hedged(bulkhead::pool& pool) {
  auto answer = pool.with({.hedge_after = 100ms}).submit(ask_a_replica, "how many letters");
  std::cout << answer.get() << '\n'; // of whichever run came first
}
//]

void one_at_a_time() {
  //[
  bulkhead::pool pool({
    .workers = 4,
    .prefetch = 0,           // a worker holds the task that it runs, and no other
    .threads_per_worker = 1, // OpenMP, OpenBLAS, MKL: four workers on four CPUs
  });
  //]
  std::cout << pool.apply(parse, "1") << '\n';
}

void room() {
  //[
  bulkhead::pool pool({.workers = 2, .queue_capacity = 1000});
  pollfd has_room{pool.room_fd(), POLLIN, 0};
  for (std::string text = "1"; text.size() < 5; text += '1') {
    while (!pool.try_submit(parse, text))
      poll(&has_room, 1, -1); // beside the sockets and timers of your program
  }
  //]
}

//[
void work(int part) {
  bulkhead::this_worker::log("part " + std::to_string(part) + " begins");
  bulkhead::this_task::progress(0.5);
}

void listen_to_workers() {
  bulkhead::pool pool({
    .workers = 2,
    .output = bulkhead::output_mode::capture,
    .on_output =
      [](const bulkhead::output_line& line) { // in the pool's callback thread
        std::cout << "worker " << line.worker << ": " << line.text << '\n'; // into your own log
      },
  });
  pool.for_each(work, std::vector<int>{1, 2, 3});
  for (const auto& w : pool.workers())
    std::cout << pool.last_output(w.id); // what it said last, while it lives
}
//]

//[
std::vector<std::string> cache; // it grows with each call

void remember(const std::string& text) { cache.push_back(text + std::string(100'000, '.')); }

void who_leaks() {
  bulkhead::pool pool({.workers = 2, .measure_growth = true});
  for (int i = 0; i < 20; ++i)
    pool.apply(remember, "again");
  for (const bulkhead::task_growth& g : pool.growth())
    std::cout << g.task << ": " << g.memory_bytes / static_cast<std::int64_t>(g.calls) << " bytes, "
              << g.descriptors << " descriptors, " << g.threads << " threads\n";
}
//]

int main(int argc, char** argv) {
  bulkhead::init(argc, argv);
  bulkhead::pool pool({.workers = 2});
  origin(pool);
  hedged(pool);
  one_at_a_time();
  room();
  listen_to_workers();
  who_leaks();
}
