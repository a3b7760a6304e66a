// ctest-timeout: 120
// What one does with futures: to follow them, to make them, to wait for several and for other
// things at once.
#include "tests/support/eventually.hpp"
#include "tests/support/leak_guard.hpp"

#include <bulkhead/tasks.hpp>

#include <doctest/doctest.h>

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <chrono>
#include <csignal>
#include <memory>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

using namespace bulkhead;
using namespace bulkhead::tests;
using namespace std::chrono_literals;

namespace {

constexpr auto long_enough = 60s; // a watchdog, not a measure

int doubled(int x) { return 2 * x; }
void until_set(event gate) { gate.wait(); }
int throws(int x) { throw std::out_of_range("no " + std::to_string(x)); }

using indices = std::vector<std::size_t>;

} // namespace

TEST_CASE("then goes on with the value, with void, and with what cannot be copied") {
  const leak_guard guard;
  pool p{{.workers = 1}};
  auto text = p.submit(doubled, 21).then([](const int& x) { return std::to_string(x); });
  CHECK(text.get(long_enough) == "42");
  auto length = text.then(&std::string::size);
  CHECK(length.get(long_enough) == 2);
  auto last = length.then([](std::size_t) {}).then([] { return std::make_unique<int>(7); });
  CHECK(*std::move(last).get(long_enough) == 7);
}

TEST_CASE("then passes a failure on without a call, and makes one of what it throws") {
  const leak_guard guard;
  pool p{{.workers = 1}};
  std::atomic<int> calls{0};
  auto never = p.submit(throws, 3).then([&](int) { return ++calls; });
  CHECK_THROWS_AS(never.get(long_enough), task_error);
  CHECK(never.outcome().failure().type == "std::out_of_range");
  CHECK(calls == 0);
  auto thrown = p.submit(doubled, 1).then([](int) -> int { throw std::length_error("too long"); });
  CHECK_THROWS_AS(thrown.get(long_enough), task_error);
  CHECK(thrown.outcome().failure().message == "too long");
  CHECK(thrown.outcome().failure().worker == 0);
}

TEST_CASE("then outlives its pool, and cancelling it cancels the task") {
  const leak_guard guard;
  future<int> after;
  future<int> withdrawn;
  {
    event gate;
    pool p{{.workers = 1}};
    auto blocker = p.submit(until_set, gate);
    after = blocker.then([] { return 1; });
    withdrawn = p.submit(doubled, 1).then([](int x) { return x; });
    CHECK(withdrawn.cancel());
    CHECK_THROWS_AS(withdrawn.get(long_enough), cancelled_error);
    CHECK(!after.ready());
  }
  CHECK_THROWS_AS(after.get(long_enough), cancelled_error); // its task ended with the pool
}

TEST_CASE("a callback that waits for what follows it is told so") {
  const leak_guard guard;
  pool p{{.workers = 1}};
  event gate;
  auto first = p.submit(until_set, gate);
  promise<std::string> told;
  first.on_ready([&](const outcome<void>&) {
    try {
      first.then([] { return 1; }).get();
      told.set_value("it waited");
    } catch (const config_error& e) {
      told.set_value(e.what());
    }
  });
  gate.set();
  CHECK(told.get_future().get(long_enough).find("use then() or on_ready()") != std::string::npos);
}

TEST_CASE("a promise gives its futures one outcome") {
  const leak_guard guard;
  promise<int> p;
  auto f = p.get_future();
  CHECK(!f.ready());
  CHECK(!f.running());
  CHECK(!f.wait(0s));
  std::jthread giver([&] { CHECK(p.set_value(5)); });
  CHECK(f.get(long_enough) == 5);
  CHECK(p.get_future().get() == 5);
  CHECK(!p.set_value(6));
  CHECK(!p.set_failure({}));
  CHECK(f.progress() == 1);
  promise<int> called;
  f.on_ready([&](const outcome<int>& o) { called.set_value(o.value()); });
  CHECK(called.get_future().get(long_enough) == 5);
}

TEST_CASE("a promise fails its future, and a lost promise cancels it") {
  const leak_guard guard;
  promise<std::unique_ptr<int>> a;
  a.set_exception(std::make_exception_ptr(std::domain_error("no root")));
  CHECK_THROWS_AS(a.get_future().get(), task_error);
  promise<int> b;
  b.set_exception(std::make_exception_ptr(pool_broken("gone")));
  CHECK_THROWS_AS(b.get_future().get(), pool_broken);
  future<void> lost;
  {
    promise<void> c;
    lost = c.get_future();
    promise<void> moved = std::move(c);
    CHECK_THROWS_AS(static_cast<void>(c.set_value()), config_error); // NOLINT: after the move
  }
  CHECK_THROWS_AS(lost.get(), cancelled_error);
}

TEST_CASE("a promise that has begun cannot be cancelled, one that has not can") {
  const leak_guard guard;
  promise<int> waiting;
  CHECK(waiting.get_future().cancel());
  CHECK(!waiting.set_running());
  CHECK(!waiting.set_value(1));
  CHECK_THROWS_AS(waiting.get_future().get(), cancelled_error);
  promise<int> begun;
  CHECK(begun.set_running());
  CHECK(begun.get_future().running());
  CHECK(!begun.get_future().cancel());
  CHECK(begun.set_value(1));
  CHECK(!begun.get_future().running());
}

TEST_CASE("running says what runs, and progress how far it is") {
  const leak_guard guard;
  pool p{{.workers = 1}};
  event gate;
  const auto half = [](event go) {
    this_task::progress(0.5);
    go.wait();
  };
  auto first = p.submit(half, gate);
  auto second = p.submit(doubled, 1);
  CHECK(eventually([&] { return first.running() && first.progress() == 0.5; }));
  CHECK(!second.running());
  CHECK(second.progress() == 0);
  gate.set();
  second.get(long_enough);
  CHECK(!first.running());
  CHECK(first.progress() == 1);
}

TEST_CASE("a map is running while an item runs, and its progress is what has ended") {
  const leak_guard guard;
  pool p{{.workers = 1}};
  event gate;
  auto all = p.starmap_async(
    [](int i, event go) {
      if (i == 2)
        go.wait();
    },
    std::vector<std::pair<int, event>>{{0, gate}, {1, gate}, {2, gate}}, {.chunk = 1});
  CHECK(eventually([&] { return all.running() && all.progress() > 0.4; }));
  CHECK(all.progress() < 1);
  gate.set();
  CHECK(all.wait(long_enough));
  CHECK(!all.running());
  CHECK(all.progress() == 1);
}

TEST_CASE("wait takes futures of different types and says which are done") {
  const leak_guard guard;
  pool p{{.workers = 2}};
  event gate;
  auto number = p.submit(doubled, 1);
  auto blocked = p.submit(until_set, gate);
  auto text = number.then([](int x) { return std::to_string(x); });
  auto two = wait({number, blocked, text}, 2, long_enough);
  CHECK(two.done == indices{0, 2});
  CHECK(two.not_done == indices{1});
  CHECK(wait({number, blocked}, wait_for::all, 0s).done == indices{0});
  CHECK(wait({blocked, number}, wait_for::any).done == indices{1});
  gate.set();
  CHECK(wait({number, blocked, text}).not_done.empty());
  const std::vector<future<int>> same{number, number};
  CHECK(wait(same, wait_for::all, long_enough).done == indices{0, 1});
}

TEST_CASE("wait for the first failure ends with it, or with all") {
  const leak_guard guard;
  pool p{{.workers = 2}};
  event gate;
  auto blocked = p.submit(until_set, gate);
  auto good = p.submit(doubled, 1);
  good.wait();
  auto bad = p.submit(throws, 1);
  const auto found = wait({blocked, good, bad}, wait_for::first_failure, long_enough);
  CHECK(found.done == indices{1, 2});
  CHECK(found.not_done == indices{0});
  gate.set();
  CHECK(wait({blocked, good}, wait_for::first_failure, long_enough).not_done.empty());
}

TEST_CASE("a goal of none or of more than there are is refused") {
  promise<int> p;
  CHECK_THROWS_AS(wait({p.get_future()}, 2, 0s), config_error);
  CHECK_THROWS_AS(wait({p.get_future()}, 0, 0s), config_error);
  CHECK_THROWS_AS(wait({future<int>{}}, wait_for::any, 0s), config_error);
  CHECK_THROWS_AS(wait({process{}}, wait_for::any, 0s), config_error);
  CHECK_THROWS_AS(wait({connection<int>{}}, wait_for::any, 0s), config_error);
}

TEST_CASE("wait hears futures, pipes, queues, events, processes and descriptors alike") {
  const leak_guard guard;
  promise<int> answer;
  auto f = answer.get_future();
  auto [near, far] = make_pipe<int>();
  queue<int> jobs;
  event alarm;
  process child{until_set, alarm};
  child.start();
  std::array<int, 2> fds{};
  REQUIRE(::pipe2(fds.data(), O_CLOEXEC) == 0);
  const descriptor reading{fds[0]};
  descriptor writing{fds[1]};
  const auto look = [&](wait_goal goal, std::chrono::nanoseconds most) {
    return wait({f, near, jobs, alarm, child, reading}, goal, most).done;
  };
  CHECK(look(wait_for::all, 0s).empty());
  CHECK(look(wait_for::any, 2ms).empty());
  writing = descriptor{}; // the end of a file is something to read
  CHECK(look(wait_for::any, long_enough) == indices{5});
  jobs.put(1);
  CHECK(look(2, long_enough) == indices{2, 5});
  std::jthread giver([&] { answer.set_value(1); });
  CHECK(look(3, long_enough) == indices{0, 2, 5});
  far.send(1);
  CHECK(look(4, long_enough) == indices{0, 1, 2, 5});
  std::jthread setter([&] { alarm.set(); }); // which ends the child
  CHECK(look(wait_for::all, long_enough) == indices{0, 1, 2, 3, 4, 5});
}

TEST_CASE("wait sees the death of a process and of a pipe's other end") {
  const leak_guard guard;
  auto [near, far] = make_pipe<int>();
  event never;
  process child{[](connection<int>, event e) { e.wait(); }, far, never};
  child.start();
  far.close();
  CHECK(wait({child, near}, wait_for::any, 0s).done.empty());
  child.kill();
  const auto left = wait({child, near}, wait_for::all, 5s).not_done;
  CHECK(left == indices{});
}

TEST_CASE("as_completed ends with its time") {
  const leak_guard guard;
  pool p{{.workers = 2}};
  event gate;
  const auto wait_if = [](bool waits, event go) {
    if (waits)
      go.wait();
    return waits;
  };
  const std::vector<future<bool>> both{p.submit(wait_if, true, gate),
                                       p.submit(wait_if, false, gate)};
  both[1].wait();
  auto first = as_completed(both, 10ms);
  auto at = first.begin();
  CHECK(!(*at).get());
  CHECK_THROWS_AS(++at, timeout_error);
  gate.set();
  std::size_t seen = 0;
  for (const auto& f : as_completed(both, long_enough))
    seen += f.ready() ? 1U : 0U;
  CHECK(seen == 2);
}

TEST_CASE("a future that waits to be read is small") {
  constexpr std::size_t counts = 2 * sizeof(void*); // what make_shared adds
  static_assert(sizeof(detail::future_state<int>) + counts <= 96 + sizeof(int));
  static_assert(sizeof(detail::future_state<std::string>) + counts <= 96 + sizeof(std::string));
  static_assert(sizeof(outcome<int>) <= 2 * sizeof(void*));
}

TEST_CASE("who registers while the outcome comes hears of it once") {
  const leak_guard guard;
  constexpr int rounds = 3000;
  pool p{{.workers = 1}};
  std::atomic<int> called{0};
  for (int i = 0; i < rounds; ++i) {
    auto f = p.submit(doubled, i);
    std::thread other([f, &called] { f.on_ready([&](const outcome<int>&) { ++called; }); });
    f.on_ready([&](const outcome<int>&) { ++called; });
    std::vector<future<int>> one{f};
    int seen = 0;
    for (const auto index : as_completed(one)) {
      static_cast<void>(index);
      ++seen;
    }
    REQUIRE(seen == 1);
    other.join();
  }
  CHECK(eventually([&] { return called == 2 * rounds; }));
}

TEST_CASE("several threads read one outcome, and its bytes are decoded once") {
  const leak_guard guard;
  pool p{{.workers = 1}};
  for (int i = 0; i < 300; ++i) {
    const auto f =
      p.submit([](int n) { return std::vector<int>(static_cast<std::size_t>(n), n); }, 1000 + i);
    std::array<const std::vector<int>*, 3> seen{};
    std::vector<std::thread> readers;
    for (auto& where : seen)
      readers.emplace_back([&where, f] { where = &f.get(); });
    std::vector<int> into(2000);
    CHECK(f.get_into(std::span{into}) == static_cast<std::size_t>(1000 + i));
    for (auto& r : readers)
      r.join();
    CHECK(into[0] == 1000 + i);
    CHECK(seen[0] == seen[1]);
    CHECK(seen[1] == seen[2]);
    CHECK(seen[0]->size() == static_cast<std::size_t>(1000 + i));
  }
}

TEST_CASE("memory of large values is used again while they travel") {
  pool p{{.workers = 1}};
  constexpr std::size_t large = std::size_t{1} << 20;
  CHECK(eventually([&] { // a machine that stalls for a second has given it back in between
    auto first = detail::make_bytes(large);
    const auto* const at = first.get();
    first.reset();
    return detail::make_bytes(large).get() == at;
  }));
}
