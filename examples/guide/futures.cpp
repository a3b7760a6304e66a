// Snippets of the guide: futures, coroutines, event loops.

#include <bulkhead/bulkhead.hpp>

#include <chrono>
#include <coroutine>
#include <iostream>
#include <latch>
#include <map>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include <poll.h>

using namespace std::chrono_literals;

struct detached {
  struct promise_type {
    detached get_return_object() { return {}; }
    std::suspend_never initial_suspend() { return {}; }
    std::suspend_never final_suspend() noexcept { return {}; }
    void return_void() {}
    void unhandled_exception() { std::terminate(); }
  };
};

int square(int x) { return x * x; }

void wait_for_one(bulkhead::pool& pool) {
  //[
  auto answer = pool.submit(square, 12);
  if (answer.wait(10ms)) // only looks how it stands after 10 ms
    std::cout << "already there\n";
  try {
    std::cout << answer.get(1s) << '\n';
  } catch (const bulkhead::timeout_error&) {
    // answer.ready() is false: the wait ended, the task goes on, and get() may be called again
  }
  //]
}

void wait_for_many(bulkhead::pool& pool) {
  //[
  std::vector<bulkhead::future<int>> answers;
  for (int i = 0; i < 10; ++i)
    answers.push_back(pool.submit(square, i));

  for (const auto& answer : bulkhead::as_completed(answers)) // in the order in which they come
    std::cout << answer.get() << '\n';

  std::optional<std::size_t> first = bulkhead::wait_any(answers, 1s); // an index
  bool all = bulkhead::wait_all(answers, 1s);
  //]
  std::cout << *first << all << '\n';
}

//[
void follow_and_promise(bulkhead::pool& pool) {
  auto text = pool.submit(square, 12).then([](int x) { return std::to_string(x); });
  std::cout << text.get() << '\n'; // what then() calls runs in the pool's callback thread

  bulkhead::promise<int> by_hand; // a future without a task, for a test or another source
  auto doubled = by_hand.get_future().then([](int x) { return 2 * x; });
  by_hand.set_value(21);
  std::cout << doubled.get() << '\n'; // 42
}
//]

//[
void wait_for_anything(bulkhead::pool& pool) {
  auto [inbox, sender] = bulkhead::make_pipe<int>();
  auto answer = pool.submit(square, 5);
  auto steps = pool.submit([](double) { bulkhead::this_task::progress(0.5); }, 1.0);
  // futures of any type, ends of pipes, queues, events, processes, descriptors
  auto [done, not_done] = bulkhead::wait({answer, steps, inbox}, 2, 10s);
  if (bulkhead::wait({answer, steps}, bulkhead::wait_for::first_failure).done.size() == 2)
    std::cout << "both ended, progress " << steps.progress() << '\n'; // 1
}
//]

void cancel_and_callback(bulkhead::pool& pool) {
  //[
  auto answer = pool.submit(square, 5);
  answer.on_ready([](const bulkhead::outcome<int>& outcome) { // in the pool's callback thread
    if (outcome)
      std::cout << outcome.value() << '\n';
  });

  auto sleeper = pool.submit([] { std::this_thread::sleep_for(1h); });
  if (!sleeper.cancel())  // true: it had not started and never will
    sleeper.cancel(true); // asks it to stop, kills its worker after the grace
  //]
}

//[
// `detached` is any coroutine type: your framework's, or the one of examples/coroutine
detached in_two_steps(bulkhead::pool& pool, std::latch& done) {
  int nine = co_await pool.submit(square, 3);
  int eighty_one = co_await pool.submit(square, nine); // here we run in the pool's callback thread
  std::cout << eighty_one << '\n';
  done.count_down();
}
//]

void poll_loop(bulkhead::pool& pool) {
  //[
  pollfd pool_events{pool.completion_fd(), POLLIN, 0}; // before the first submit
  std::map<std::uint64_t, bulkhead::future<int>> waiting;
  for (int i = 0; i < 10; ++i) {
    auto answer = pool.submit(square, i);
    waiting.emplace(answer.id(), answer);
  }
  while (!waiting.empty()) {
    poll(&pool_events, 1, -1); // beside the sockets and timers of your program
    for (std::uint64_t task : pool.completions())
      std::cout << waiting.extract(task).mapped().get() << '\n';
  }
  //]
}

int main(int argc, char** argv) {
  bulkhead::init(argc, argv);
  bulkhead::pool pool({.workers = 2, .grace = 10ms});
  wait_for_one(pool);
  wait_for_many(pool);
  follow_and_promise(pool);
  wait_for_anything(pool);
  poll_loop(pool);
  std::latch done{1};
  in_two_steps(pool, done);
  done.wait();
  cancel_and_callback(pool);
}
