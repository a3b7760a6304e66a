// ctest-timeout: 120
// Queues and pipes between processes.
#include "tests/support/leak_guard.hpp"

#include <bulkhead/ipc.hpp>
#include <bulkhead/pool.hpp>
#include <bulkhead/process.hpp>

#include <doctest/doctest.h>
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <csignal>
#include <map>
#include <string>
#include <thread>
#include <utility>
#include <vector>

using namespace std::chrono_literals;
using bulkhead::connection;
using bulkhead::start_method;

namespace {

constexpr auto long_enough = 60s; // a watchdog, not a measure
constexpr std::array methods{start_method::forkserver, start_method::spawn, start_method::thread};

using number_queue = bulkhead::queue<int>;

void produce(number_queue to, int first, int count) {
  for (int i = first; i < first + count; ++i)
    to.put(i);
}

std::vector<int> consume(number_queue from) {
  std::vector<int> all;
  try {
    for (;;)
      all.push_back(from.get());
  } catch (const bulkhead::queue_closed&) {
    return all;
  }
}

void work_on(bulkhead::queue<std::string> jobs, bulkhead::queue<std::size_t> results) {
  while (const auto job = jobs.get(long_enough)) {
    if (job->empty())
      return;
    results.put(job->size());
    jobs.task_done();
  }
}

void echo(connection<std::string> c) {
  try {
    for (;;)
      c.send(c.recv() + "!");
  } catch (const bulkhead::pipe_closed&) {
  }
}

struct reply_to {
  connection<int> where;
  int what = 0;

  template <class Inspector>
  friend auto inspect(Inspector& f, reply_to& x) {
    return f(x.where, x.what);
  }
};

} // namespace

TEST_CASE("many producers and consumers lose and double nothing") {
  bulkhead::tests::leak_guard guard;
  for (const auto method : methods)
    for (const std::size_t capacity : {std::size_t{0}, std::size_t{5}}) {
      bulkhead::pool pool({.workers = 4, .start = method});
      number_queue q(capacity);
      auto left = pool.submit(consume, q);
      auto right = pool.submit(consume, q);
      auto low = pool.submit(produce, q, 0, 500);
      auto high = pool.submit(produce, q, 500, 500);
      low.get();
      high.get();
      q.close();
      auto all = left.get();
      for (const int i : right.get())
        all.push_back(i);
      std::ranges::sort(all);
      REQUIRE(all.size() == 1000);
      for (int i = 0; i < 1000; ++i)
        CHECK(all[static_cast<std::size_t>(i)] == i);
    }
}

TEST_CASE("items come in the order of one producer and the queue says how many there are") {
  bulkhead::queue<std::string> q(3);
  CHECK(q.empty());
  CHECK(q.capacity() == 3);
  q.put("a");
  q.put("b");
  CHECK(q.try_put("c"));
  CHECK(q.full());
  CHECK_FALSE(q.try_put("d"));
  CHECK_FALSE(q.put("d", 1ms));
  CHECK(q.size() == 3);
  CHECK(q.get() == "a");
  CHECK(q.get(1ms) == "b");
  CHECK(q.try_get() == "c");
  CHECK_FALSE(q.try_get());
  CHECK_FALSE(q.get(1ms));
}

TEST_CASE("items larger than any buffer go through and the memory comes back") {
  bulkhead::tests::leak_guard guard;
  bulkhead::queue<std::string> q;
  const std::string large(20'000'000, 'x');
  q.put("before");
  q.put(large);
  q.put("behind");
  bulkhead::pool pool({.workers = 1});
  const auto sizes = pool.apply(
    [](bulkhead::queue<std::string> from) {
      return std::array{from.get().size(), from.get().size(), from.get().size()};
    },
    q);
  CHECK(sizes == std::array<std::size_t, 3>{6, large.size(), 6});
  for (int round = 0; round < 3; ++round) { // around the ends of every ring it grows through
    for (std::size_t i = 0; i < 300; ++i)
      q.put(std::string(i * 7, static_cast<char>('a' + i % 26)));
    for (std::size_t i = 0; i < 300; ++i)
      REQUIRE(q.get() == std::string(i * 7, static_cast<char>('a' + i % 26)));
  }
}

TEST_CASE("close lets the rest out and then says so") {
  number_queue q;
  q.put(1);
  q.close();
  CHECK_THROWS_AS(q.put(2), bulkhead::queue_closed);
  CHECK(q.get() == 1);
  CHECK_THROWS_AS(q.get(), bulkhead::queue_closed);
  CHECK_THROWS_AS(q.try_get(), bulkhead::queue_closed);
}

TEST_CASE("close wakes who waits to put and who waits to get") {
  bulkhead::tests::leak_guard guard;
  bulkhead::pool pool({.workers = 2});
  number_queue full(1);
  full.put(1);
  number_queue none;
  const auto putter = pool.submit(produce, full, 0, 1);
  const auto getter = pool.submit(consume, none);
  full.close();
  none.close();
  CHECK_THROWS_WITH(putter.get(long_enough), doctest::Contains("closed"));
  CHECK(getter.get(long_enough).empty());
}

TEST_CASE("join waits until the work for all items is done") {
  bulkhead::tests::leak_guard guard;
  bulkhead::pool pool({.workers = 2});
  bulkhead::queue<std::string> jobs;
  bulkhead::queue<std::size_t> results;
  CHECK(jobs.join(0s));
  for (std::size_t i = 1; i <= 100; ++i)
    jobs.put(std::string(i, 'x'));
  CHECK_FALSE(jobs.join(0s));
  auto one = pool.submit(work_on, jobs, results);
  auto two = pool.submit(work_on, jobs, results);
  CHECK(jobs.join(long_enough));
  CHECK(results.size() == 100);
  jobs.put("");
  jobs.put("");
  one.get(long_enough);
  two.get(long_enough);
  jobs.task_done();
  jobs.task_done();
  CHECK_THROWS_AS(jobs.task_done(), bulkhead::config_error);
}

TEST_CASE("what a queue cannot carry is refused by a text") {
  bulkhead::queue<bulkhead::mutex> q;
  CHECK_THROWS_WITH_AS(q.put(bulkhead::mutex{}), doctest::Contains("send it through a pipe"),
                       bulkhead::codec_error);
}

TEST_CASE("a duplex pipe answers and ends when its other end is gone") {
  bulkhead::tests::leak_guard guard;
  for (const auto method : {start_method::forkserver, start_method::spawn}) {
    auto [ours, theirs] = bulkhead::make_pipe<std::string>();
    bulkhead::process child({.start = method}, echo, theirs);
    child.start();
    theirs.close();
    ours.send("hello");
    CHECK(ours.recv() == "hello!");
    const std::string large(3'000'000, 'l');
    ours.send(large);
    CHECK(ours.recv(long_enough) == large + "!");
    CHECK_FALSE(ours.try_recv());
    CHECK_FALSE(ours.poll(0s));
    ours.close();
    child.join();
    CHECK(child.exit_code() == 0);
  }
}

TEST_CASE("a killed peer is the end of the pipe, after what it had sent") {
  bulkhead::tests::leak_guard guard;
  auto [ours, theirs] = bulkhead::make_pipe<std::string>();
  bulkhead::process child(
    [](connection<std::string> c) {
      c.send("last words");
      ::kill(::getpid(), SIGKILL);
    },
    theirs);
  ours.send("never read"); // the kernel tells of it before the last words
  child.start();
  child.join();
  child = {};
  theirs.close();
  CHECK(ours.poll(long_enough));
  CHECK(ours.recv() == "last words");
  CHECK(ours.poll(long_enough));
  CHECK_THROWS_AS(ours.recv(), bulkhead::pipe_closed);
  CHECK_THROWS_AS(ours.send("x"), bulkhead::pipe_closed);
}

TEST_CASE("a simplex pipe goes one way and says so") {
  auto [from, to] = bulkhead::make_pipe<int>(false);
  to.send(1);
  CHECK(from.recv() == 1);
  CHECK_THROWS_WITH_AS(from.send(2), doctest::Contains("only receives"), bulkhead::config_error);
  CHECK_THROWS_WITH_AS(to.recv(), doctest::Contains("only sends"), bulkhead::config_error);
  to.close();
  CHECK_THROWS_AS(to.send(1), bulkhead::config_error);
  CHECK_THROWS_AS(from.recv(), bulkhead::pipe_closed);
}

TEST_CASE("bytes go through a pipe as they are") {
  auto [a, b] = bulkhead::make_pipe<int>();
  const std::vector<std::byte> bytes(100'000, std::byte{9});
  std::jthread sender{[&] {
    a.send_bytes({});
    a.send_bytes(bytes);
  }};
  CHECK(b.recv_bytes().empty());
  CHECK(b.recv_bytes() == bytes);
}

TEST_CASE("pipes carry pipes, queues, locks and descriptors") {
  bulkhead::tests::leak_guard guard;
  bulkhead::pool pool({.workers = 1});
  auto [requests, served] = bulkhead::make_pipe<reply_to>();
  auto server = pool.submit(
    [](connection<reply_to> from) {
      try {
        for (;;) {
          auto request = from.recv();
          request.where.send(request.what * 2);
        }
      } catch (const bulkhead::pipe_closed&) {
      }
    },
    served);
  for (int i = 0; i < 20; ++i) {
    auto [answer, to] = bulkhead::make_pipe<int>(false);
    requests.send({to, i});
    to.close();
    CHECK(answer.recv() == 2 * i);
    CHECK_THROWS_AS(answer.recv(), bulkhead::pipe_closed); // the server keeps none
  }
  auto [a, b] = bulkhead::make_pipe<std::map<std::string, bulkhead::queue<int>>>();
  bulkhead::queue<int> q;
  a.send({{"q", q}});
  b.recv().at("q").put(5);
  CHECK(q.get() == 5);
  requests.close();
  served.close();
  server.get(long_enough);
}

TEST_CASE("a pipe and a queue come back as results") {
  bulkhead::tests::leak_guard guard;
  bulkhead::pool pool({.workers = 1});
  auto made = pool.apply([] {
    bulkhead::queue<int> q;
    q.put(3);
    auto ends = bulkhead::make_pipe<int>();
    ends.first.send(4);
    return std::pair{q, ends};
  });
  CHECK(made.first.get() == 3);
  CHECK(made.second.second.recv() == 4);
}
