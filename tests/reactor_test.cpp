// ctest-label: tsan
#include "runtime/this_process/reactor.hpp"

#include "tests/support/launching.hpp"

#include <bulkhead/testing/leak_guard.hpp>

#include <doctest/doctest.h>

#include <sys/epoll.h>

#include <atomic>
#include <csignal>
#include <fstream>
#include <future>
#include <thread>

using namespace std::chrono_literals;
using bulkhead::runtime::reactor;
using namespace bulkhead::tests;

namespace {

// Runs something on the runtime thread and waits for its result.
template <class F>
auto on(reactor& loop, F f) {
  std::promise<decltype(f())> result;
  loop.post([&] { result.set_value(f()); });
  return result.get_future().get();
}

void write_byte(int fd) { tell(fd, 'x'); }

char read_byte(int fd) {
  char byte = 0;
  return ::read(fd, &byte, 1) == 1 ? byte : '\0';
}

std::string switches_of(pid_t thread) {
  std::ifstream file{"/proc/self/task/" + std::to_string(thread) + "/status"};
  std::string line;
  while (std::getline(file, line) && !line.starts_with("voluntary_ctxt_switches"))
    continue;
  return line;
}

} // namespace

TEST_CASE("all holders share one reactor, and the last one ends its thread") {
  const bulkhead::testing::leak_guard guard;
  {
    const auto first = reactor::acquire();
    const auto second = reactor::acquire();
    CHECK(first == second);
    CHECK_FALSE(first->on_thread());
    CHECK(on(*first, [&] { return first->on_thread(); }));
  }
  CHECK(guard.leaked() == "");
}

TEST_CASE("the runtime thread blocks every signal and leaves the caller's mask alone") {
  sigset_t before;
  sigset_t after;
  pthread_sigmask(SIG_SETMASK, nullptr, &before);
  const auto loop = reactor::acquire();
  pthread_sigmask(SIG_SETMASK, nullptr, &after);
  for (const int signal : {SIGINT, SIGTERM, SIGCHLD, SIGUSR1, SIGALRM}) {
    CHECK(sigismember(&before, signal) == sigismember(&after, signal));
    CHECK(on(*loop, [&] {
      sigset_t inside;
      pthread_sigmask(SIG_SETMASK, nullptr, &inside);
      return sigismember(&inside, signal) == 1;
    }));
  }
}

TEST_CASE("a handler runs for as long as its descriptor is ready") {
  const auto loop = reactor::acquire();
  pipe_ends pipe;
  std::promise<void> twice;
  int runs = 0;
  const auto id = loop->watch(pipe.read.get(), EPOLLIN, [&](std::uint32_t events) {
    CHECK((events & EPOLLIN) != 0);
    if (++runs == 2) {
      read_byte(pipe.read.get());
      twice.set_value();
    }
  });
  write_byte(pipe.write.get());
  REQUIRE(twice.get_future().wait_for(patience) == std::future_status::ready);
  loop->unwatch(id);
  CHECK(runs == 2);
}

TEST_CASE("change decides which events a handler hears of") {
  const auto loop = reactor::acquire();
  pipe_ends pipe;
  std::promise<void> heard;
  const auto id = loop->watch(pipe.read.get(), 0, [&](std::uint32_t) {
    read_byte(pipe.read.get());
    heard.set_value();
  });
  write_byte(pipe.write.get());
  auto future = heard.get_future();
  on(*loop, [] { return 0; });
  on(*loop, [] { return 0; }); // two turns of the loop without the handler
  CHECK(future.wait_for(0s) == std::future_status::timeout);
  loop->change(id, EPOLLIN);
  CHECK(future.wait_for(patience) == std::future_status::ready);
  loop->unwatch(id);
  loop->change(id, EPOLLIN); // unknown by now: ignored
}

TEST_CASE("unwatch waits for a running handler, and afterwards it runs no more") {
  const auto loop = reactor::acquire();
  pipe_ends pipe;
  std::promise<void> entered;
  std::promise<void> may_leave;
  std::atomic<int> entries{0};
  std::atomic<int> exits{0};
  const auto id = loop->watch(pipe.read.get(), EPOLLIN, [&](std::uint32_t) {
    if (++entries == 1) {
      entered.set_value();
      may_leave.get_future().wait();
    }
    ++exits;
  });
  write_byte(pipe.write.get());
  entered.get_future().wait();
  std::thread releaser{[&] { may_leave.set_value(); }};
  loop->unwatch(id);
  const int runs = exits;
  CHECK(runs >= 1); // more if the releaser was faster than unwatch: the pipe stays readable
  CHECK(entries == runs);
  releaser.join();
  on(*loop, [] { return 0; });
  on(*loop, [] { return 0; }); // two turns in which a live handler would run
  CHECK(entries == runs);
}

TEST_CASE("a handler may remove itself") {
  const auto loop = reactor::acquire();
  pipe_ends pipe;
  std::atomic<int> runs{0};
  std::promise<void> done;
  std::uint64_t id = 0;
  on(*loop, [&] {
    id = loop->watch(pipe.read.get(), EPOLLIN, [&](std::uint32_t) {
      ++runs;
      loop->unwatch(id);
      done.set_value();
    });
    return 0;
  });
  write_byte(pipe.write.get());
  done.get_future().wait();
  on(*loop, [] { return 0; });
  CHECK(runs == 1);
}

TEST_CASE("timers run in the order of their times and never early") {
  const auto loop = reactor::acquire();
  const auto now = reactor::clock::now();
  std::vector<int> order;
  std::promise<void> done;
  loop->at(now + 20ms, [&] {
    CHECK(reactor::clock::now() >= now + 20ms);
    order.push_back(2);
    done.set_value();
  });
  loop->at(now + 10ms, [&] {
    CHECK(reactor::clock::now() >= now + 10ms);
    order.push_back(1);
  });
  done.get_future().wait();
  CHECK(order == std::vector{1, 2});
}

TEST_CASE("a cancelled timer does not run, and a finished one may be cancelled") {
  const auto loop = reactor::acquire();
  std::promise<void> later;
  std::atomic<bool> ran{false};
  const auto now = reactor::clock::now();
  const auto cancelled = loop->at(now + 1h, [&] { ran = true; });
  const auto early = loop->at(now + 1ms, [&] { later.set_value(); });
  loop->cancel(cancelled);
  later.get_future().wait();
  loop->cancel(early);
  CHECK_FALSE(ran);
}

TEST_CASE("a timer may set another one") {
  const auto loop = reactor::acquire();
  std::promise<void> done;
  loop->at(reactor::clock::now(),
           [&] { loop->at(reactor::clock::now() + 1ms, [&] { done.set_value(); }); });
  CHECK(done.get_future().wait_for(patience) == std::future_status::ready);
}

TEST_CASE("the last holder may let go on the runtime thread") {
  const bulkhead::testing::leak_guard guard;
  {
    auto loop = reactor::acquire();
    auto& alive = *loop;
    auto done = std::make_shared<std::promise<void>>();
    auto future = done->get_future();
    alive.post([held = std::move(loop), done]() mutable {
      held.reset();
      done->set_value();
    });
    CHECK(future.wait_for(patience) == std::future_status::ready);
  }
  CHECK(guard.leaked() == "");
}

TEST_CASE("an idle reactor does not wake up") {
  const auto loop = reactor::acquire();
  const auto thread = on(*loop, [] { return ::gettid(); });
  loop->at(reactor::clock::now() + 1h, [] {});
  on(*loop, [] { return 0; });
  // It sleeps when its count of switches stands still for two looks in a row.
  auto before = switches_of(thread);
  const auto asleep = reactor::clock::now() + 50ms;
  while (reactor::clock::now() < asleep)
    before = switches_of(thread);
  const auto until = reactor::clock::now() + 200ms;
  while (reactor::clock::now() < until)
    CHECK(switches_of(thread) == before);
}

TEST_CASE("many threads may watch, change and post at once") {
  const auto loop = reactor::acquire();
  std::atomic<int> handled{0};
  std::vector<std::thread> threads;
  for (int n = 0; n < 4; ++n)
    threads.emplace_back([&] {
      for (int round = 0; round < 200; ++round) {
        pipe_ends pipe;
        std::promise<void> ran;
        const auto id = loop->watch(pipe.read.get(), EPOLLIN, [&](std::uint32_t) {
          if (read_byte(pipe.read.get()) == 'x')
            ran.set_value();
        });
        const auto timer = loop->at(reactor::clock::now() + 1h, [] {});
        write_byte(pipe.write.get());
        ran.get_future().wait();
        loop->cancel(timer);
        loop->unwatch(id);
        loop->post([&] { ++handled; });
      }
    });
  for (auto& thread : threads)
    thread.join();
  on(*loop, [] { return 0; });
  CHECK(handled == 800);
}
