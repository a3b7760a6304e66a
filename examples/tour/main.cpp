// The classic tour of Python's multiprocessing module, in C++.

#include <bulkhead/bulkhead.hpp>
#include <bulkhead/manager.hpp>

#include <unistd.h>

#include <chrono>
#include <cstddef>
#include <iostream>
#include <mutex>
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

void answer(bulkhead::queue<std::string> to, bulkhead::connection<std::string> pipe) {
  to.put("hello through the queue");
  pipe.send("hello through the pipe");
}

/// What processes say to each other: a queue, and a pipe.
void talk() {
  bulkhead::queue<std::string> queue;
  auto [ours, theirs] = bulkhead::make_pipe<std::string>();
  bulkhead::process child(answer, queue, theirs);
  child.start();
  std::cout << queue.get() << '\n' << ours.recv() << std::endl;
  child.join();
}

void print_whole_line(bulkhead::mutex lock, int n) {
  const std::scoped_lock one_at_a_time{lock};
  std::cout << "locked line " << n << std::endl;
}

void take_turns() {
  bulkhead::mutex lock;
  std::vector<bulkhead::process> processes;
  for (int n = 1; n <= 3; ++n)
    processes.emplace_back(print_whole_line, lock, n).start();
  for (auto& process : processes)
    process.join();
}

void negate(bulkhead::shared_value<double> value, bulkhead::shared_array<int> numbers) {
  value.store(3.1415927);
  for (int& number : numbers)
    number = -number;
}

/// What they share: memory, and objects that a manager keeps.
void share() {
  bulkhead::shared_value<double> value(0);
  bulkhead::shared_array<int> numbers(5);
  for (int i = 0; i < 5; ++i)
    numbers[static_cast<std::size_t>(i)] = i;
  bulkhead::process child(negate, value, numbers);
  child.start();
  child.join();
  std::cout << "shared value: " << value.load() << std::endl;
  print("shared array", numbers);

  bulkhead::manager manager;
  auto ages = manager.make_dict<std::string, int>();
  auto names = manager.make_list<std::string>();
  bulkhead::process guest(
    [](bulkhead::managed_dict<std::string, int> a, bulkhead::managed_list<std::string> n) {
      a.put("bob", 42);
      n.push_back("bob");
    },
    ages, names);
  guest.start();
  guest.join();
  std::cout << "managed: " << names.at(0).value() << " is " << ages.get("bob").value() << std::endl;
}

void work(bulkhead::queue<int> jobs, bulkhead::queue<int> done) {
  while (const auto job = jobs.get(1min)) {
    done.put(square(*job));
    jobs.task_done();
  }
}

/// Workers on one queue, which are done when all that was put is done.
void workers_on_a_queue() {
  bulkhead::queue<int> jobs, done;
  std::vector<bulkhead::process> workers;
  for (int n = 0; n < 3; ++n)
    workers.emplace_back(work, jobs, done).start();
  for (int n = 1; n <= 100; ++n)
    jobs.put(n);
  jobs.join();
  int sum = 0;
  while (const auto each = done.try_get())
    sum += *each;
  std::cout << "sum of squares from the queue: " << sum << std::endl;
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
  talk();
  take_turns();
  share();
  workers_on_a_queue();
}
