// Snippets of the guide: errors, limits, retries, backpressure.

#include <bulkhead/bulkhead.hpp>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

using namespace std::chrono_literals;

int parse(const std::string& text) { return std::stoi(text); }

int crash(int) { std::abort(); }

void catch_errors(bulkhead::pool& pool) {
  //[
  try {
    pool.apply(parse, "forty-two");
  } catch (const bulkhead::task_error& e) {                         // the task threw
    std::cerr << e.info().type << ": " << e.info().message << '\n'; // std::invalid_argument: stoi
  }

  try {
    pool.apply(crash, 1);
  } catch (const bulkhead::worker_died& e) {       // its process is gone
    std::cerr << to_string(e.info().exit) << '\n'; // killed by SIGABRT (Aborted)
    if (e.info().may_have_executed)
      std::cerr << "it had started\n";
  } catch (const bulkhead::error& e) { // anything else: what() is the whole report
    std::cerr << e.what() << '\n';
  }
  //]
}

void failures_as_values(bulkhead::pool& pool) {
  //[
  std::vector<std::string> texts{"1", "two", "3"};
  for (const bulkhead::outcome<int>& outcome : pool.try_map(parse, texts)) {
    if (outcome)
      std::cout << outcome.value() << '\n';
    else
      std::cout << to_string(outcome.failure().kind) << '\n'; // task_exception
  }
  //]
}

void limits() {
  //[
  bulkhead::pool pool({
    .max_tasks_per_worker = 1000,       // then a fresh process: cures leaks
    .max_memory_per_worker = 512 << 20, // killed above it: worker_died, cause memory_limit
    .task_timeout = 30s,                // from its start; its worker is killed: timeout_error
    .limits = {.open_files = 64, .file_size = 1 << 30}, // setrlimit(2)
  });
  //]
  std::cout << pool.apply(parse, "1") << '\n';
}

void limits_of_one_task(bulkhead::pool& pool) {
  //[
  auto answer = pool.with({.timeout = 5s, .deadline = 20s, .priority = 10}).submit(parse, "42");
  //]
  std::cout << answer.get() << '\n';
}

//[
long count_until_asked_to_stop() {
  long n = 0;
  while (!bulkhead::this_worker::stop_requested())
    ++n;
  return n; // what there is so far
}

void polite_limit(bulkhead::pool& pool) {
  auto n = pool.with({.timeout = 10s, .soft_timeout = 100ms}).apply(count_until_asked_to_stop);
  std::cout << n << '\n';
}
//]

void retries(bulkhead::pool& pool) {
  //[
  int attempts = pool.with({.retries = 2}).apply([] {
    if (bulkhead::this_task::attempt() == 1)
      std::abort(); // the first attempt takes its worker along
    return static_cast<int>(bulkhead::this_task::attempt());
  });
  //]
  std::cout << attempts << '\n';
  //[
  // A service that is away for a moment: again after its exception, at 0.1, 0.3 and 0.7 s.
  auto answer =
    pool.with({.retries = 3,
               .retry = bulkhead::retry_policy{.kinds = {bulkhead::failure_kind::task_exception},
                                               .types = {"std::system_error"},
                                               .pause = 100ms,
                                               .pause_max = 1s}});
  //]
  std::cout << answer.apply([] { return 5; }) << '\n';
}

void backpressure() {
  //[
  bulkhead::pool pool({
    .workers = 2,
    .queue_capacity = 1000,               // tasks that may wait
    .queue_bytes = 64 << 20,              // and bytes of their arguments
    .on_full = bulkhead::on_full::reject, // default: submit waits for room
  });
  try {
    auto answer = pool.submit(parse, "1");
  } catch (const bulkhead::queue_full&) {
    // say "busy" to whoever asked
  }
  if (std::optional<bulkhead::future<int>> answer = pool.try_submit(parse, "2"))
    std::cout << answer->get() << '\n';
  //]
}

int main(int argc, char** argv) {
  bulkhead::init(argc, argv);
  bulkhead::pool pool({.workers = 2});
  catch_errors(pool);
  failures_as_values(pool);
  limits();
  limits_of_one_task(pool);
  polite_limit(pool);
  retries(pool);
  backpressure();
}
