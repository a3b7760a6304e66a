// The classic tour of Python's multiprocessing module, in C++.

#include <bulkhead/bulkhead.hpp>

#include <unistd.h>

#include <chrono>
#include <iostream>
#include <string>
#include <thread>
#include <vector>

using namespace std::chrono_literals;

int square(int x) { return x * x; }

int slow_square(int x) {
  std::this_thread::sleep_for(10ms);
  return square(x);
}

void greet(const std::string& name) {
  std::cout << "child:  hello " << name << ", I am process " << getpid() << std::endl;
}

void print_number(int n) { std::cout << "number " + std::to_string(n) + "\n" << std::flush; }

template <class Range>
void print(const char* what, Range&& numbers) {
  std::cout << what << ": [";
  const char* separator = "";
  for (const auto& number : numbers) {
    std::cout << separator << number;
    separator = ", ";
  }
  std::cout << "]" << std::endl;
}

/// One function in a process of its own, beside its parent.
void one_process() {
  std::cout << "parent: I am process " << getpid() << std::endl;
  bulkhead::process child(greet, "bob");
  child.start();
  child.join();
}

/// The same function for each item of the input, in order.
void map() {
  bulkhead::pool pool({.workers = 5});
  print("map", pool.map(square, {1, 2, 3, 4, 5}));
}

/// One pool, used in many ways. Returns a task that never came to its end.
bulkhead::future<void> use_a_pool() {
  bulkhead::pool pool({.workers = 4});
  const std::vector<int> digits{0, 1, 2, 3, 4, 5, 6, 7, 8, 9};

  print("map", pool.map(square, digits));
  print("imap_unordered, as they come", pool.imap_unordered(slow_square, digits));

  auto answer = pool.submit(square, 20);
  std::cout << "submit: " << answer.get(1min) << std::endl;

  std::cout << "the pid of one worker: " << pool.submit(getpid).get(1min) << std::endl;

  std::vector<bulkhead::future<pid_t>> pids;
  for (int i = 0; i < 4; ++i)
    pids.push_back(pool.submit(getpid));
  std::cout << "four pids:";
  for (auto& pid : pids)
    std::cout << ' ' << pid.get(1min);
  std::cout << std::endl;

  auto sleeper = pool.submit([] { std::this_thread::sleep_for(1h); });
  try {
    sleeper.get(1s);
  } catch (const bulkhead::timeout_error&) {
    std::cout << "we lost patience with the sleeper" << std::endl;
  }
  std::cout << "the pool remains available: " << pool.apply(square, 30) << std::endl;
  return sleeper;
}

void four_processes() {
  std::vector<bulkhead::process> processes;
  for (int n = 1; n <= 4; ++n)
    processes.emplace_back(print_number, n).start();
  for (auto& process : processes)
    process.join();
}

int main(int argc, char** argv) {
  bulkhead::init(argc, argv);
  one_process();
  map();
  auto sleeper = use_a_pool();
  try {
    sleeper.get();
  } catch (const bulkhead::cancelled_error&) {
    std::cout << "now the pool is closed, and the sleeper was cancelled" << std::endl;
  }
  four_processes();
}
