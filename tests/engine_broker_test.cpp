// ctest-timeout: 300
// ctest-label: fault
// ctest-label: once
// ctest-link: bulkhead_engine_rabbitmq
// A pool on nodes through a real rabbitmq-server: what works, and what is left when something dies.
#include "tests/support/cluster.hpp"
#include "tests/support/eventually.hpp"
#include "tests/support/leak_guard.hpp"
#include "tests/support/marks.hpp"

#include <bulkhead/tasks.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <chrono>
#include <map>
#include <string>

using namespace bulkhead;
using namespace bulkhead::tests;
using namespace std::chrono_literals;
using bulkhead::testing::broker;
using bulkhead::testing::temporary_folder;

namespace {

/// One for all cases: it takes seconds to start.
broker& server() {
  static broker one;
  return one;
}

rabbitmq through(const std::string& queue) {
  return {.url = server().url(), .queue = queue, .lease = 2s, .nodes_within = 60s};
}

int doubled(int x) { return 2 * x; }

/// Submits one task that does not end, says so in the file, and waits to be killed.
void submitter_main(std::string url, std::string queue, std::string file) {
  pool p({.engine = rabbitmq{.url = url, .queue = queue, .lease = 2s, .nodes_within = 60s}});
  p.submit(
     [](const std::string& to) {
       mark(to, static_cast<int>(::getpid()));
       while (true)
         ::pause();
     },
     file)
    .wait();
}

} // namespace

TEST_CASE("tasks run on nodes: submit, map, imap, exceptions and crashes") {
  if (!broker::is_installed())
    return;
  server();
  const leak_guard guard;
  test_node one(server().url(), "basics");
  test_node two(server().url(), "basics");
  pool p({.engine = through("basics")});
  CHECK(p.submit(doubled, 21).get() == 42);
  CHECK(
    p.apply([](const std::string& a, int n) { return a + std::to_string(n); }, std::string{"x"}, 7)
    == "x7");
  std::vector<int> input(2000);
  for (std::size_t i = 0; i < input.size(); ++i)
    input[i] = static_cast<int>(i);
  const auto output = p.map(doubled, input);
  REQUIRE(output.size() == input.size());
  for (std::size_t i = 0; i < input.size(); ++i)
    CHECK(output[i] == 2 * input[i]);
  int next = 0;
  for (const int value : p.imap(doubled, input))
    CHECK(value == 2 * next++);
  CHECK(next == 2000);
  CHECK_THROWS_AS(p.apply([]() -> int { throw std::runtime_error("no"); }), task_error);
  const auto died = p.submit([] { std::abort(); }).outcome();
  REQUIRE(!died);
  CHECK(died.failure().kind == failure_kind::worker_died);
  CHECK(died.failure().exit.signal == SIGABRT);
  CHECK(died.failure().may_have_executed);
  p.close();
  p.join();
  const auto s = p.stats();
  CHECK(s.submitted == s.succeeded + s.failed + s.cancelled);
  CHECK(one.end().has_value());
  CHECK(two.end().has_value());
}

TEST_CASE("a node that is killed costs what it ran, and nothing runs twice") {
  if (!broker::is_installed())
    return;
  server();
  const leak_guard guard;
  const temporary_folder folder;
  const auto file = (folder.path() / "marks").string();
  test_node lasting(server().url(), "killed");
  test_node dying(server().url(), "killed");
  pool p({.engine = through("killed")});
  auto all = submit_marked(p, file, 60, 50ms);
  REQUIRE(eventually([&] { return marks_in(file).size() >= 10; }));
  dying.kill();
  check_once(all, file, true);
  const auto lost = std::count_if(all.begin(), all.end(), [](auto& f) { return !f.outcome(); });
  CHECK(lost <= 4); // what it ran, and what it was to run next
}

TEST_CASE("idempotent tasks of a node that is killed run again elsewhere") {
  if (!broker::is_installed())
    return;
  server();
  const leak_guard guard;
  const temporary_folder folder;
  const auto file = (folder.path() / "marks").string();
  test_node lasting(server().url(), "again");
  test_node dying(server().url(), "again");
  pool p({.retries = 3, .engine = through("again")});
  auto all = submit_marked(p, file, 60, 50ms);
  REQUIRE(eventually([&] { return marks_in(file).size() >= 10; }));
  dying.kill();
  for (std::size_t i = 0; i < all.size(); ++i)
    CHECK(all[i].get() == static_cast<int>(i));
}

TEST_CASE("a node that stands still is given up, and what it says later does not count") {
  if (!broker::is_installed())
    return;
  server();
  const leak_guard guard;
  const temporary_folder folder;
  const auto file = (folder.path() / "marks").string();
  test_node lasting(server().url(), "still");
  test_node frozen(server().url(), "still");
  pool p({.engine = through("still")});
  auto all = submit_marked(p, file, 60, 50ms);
  REQUIRE(eventually([&] { return marks_in(file).size() >= 10; }));
  frozen.suspend();
  check_once(all, file, true);
  frozen.resume();
  CHECK(p.submit(doubled, 4).get() == 8);
  CHECK(frozen.end().has_value()); // it has sent what it had
  check_once(all, file, true);
}

TEST_CASE("a broker that is killed and started again costs nothing, and nothing runs twice") {
  if (!broker::is_installed())
    return;
  server();
  const leak_guard guard;
  const temporary_folder folder;
  const auto file = (folder.path() / "marks").string();
  test_node one(server().url(), "restart");
  test_node two(server().url(), "restart");
  pool p({.engine = through("restart")});
  auto all = submit_marked(p, file, 60, 50ms);
  REQUIRE(eventually([&] { return marks_in(file).size() >= 10; }));
  server().kill();
  server().start();
  check_once(all, file, false);
  CHECK(p.submit(doubled, 4).get() == 8);
}

TEST_CASE("the broker's acknowledgement time-out does not cut a long task") {
  if (!broker::is_installed())
    return;
  server();
  const leak_guard guard;
  const temporary_folder folder;
  const auto file = (folder.path() / "marks").string();
  test_node only(server().url(), "long");
  pool p({.engine = through("long")});
  CHECK(p.submit(marked, file, 1, 6000ms).get() == 1); // the time-out is two seconds
  CHECK(marks_in(file)[1] == 1);
}

TEST_CASE("a node that ends in order finishes what runs and gives back the rest") {
  if (!broker::is_installed())
    return;
  server();
  const leak_guard guard;
  const temporary_folder folder;
  const auto file = (folder.path() / "marks").string();
  test_node lasting(server().url(), "drain");
  test_node leaving(server().url(), "drain", 2);
  pool p({.engine = through("drain")});
  auto all = submit_marked(p, file, 40, 50ms);
  REQUIRE(eventually([&] { return marks_in(file).size() >= 10; }));
  CHECK(leaving.end().has_value());
  check_once(all, file, false);
}

TEST_CASE("nodes end what they run for a submitter that is gone") {
  if (!broker::is_installed())
    return;
  server();
  const leak_guard guard;
  const temporary_folder folder;
  const auto file = (folder.path() / "pid").string();
  test_node only(server().url(), "orphan");
  process submitter(submitter_main, server().url(), std::string{"orphan"}, file);
  submitter.start();
  REQUIRE(eventually([&] { return !marks_in(file).empty(); }));
  const auto worker = marks_in(file).begin()->first;
  submitter.kill();
  CHECK(eventually([&] { return ::kill(worker, 0) != 0; }));
}

TEST_CASE("cancel and deadlines are final for what no node was granted") {
  if (!broker::is_installed())
    return;
  server();
  const leak_guard guard;
  const temporary_folder folder;
  const auto file = (folder.path() / "marks").string();
  pool p({.engine = through("nobody")});
  auto withdrawn = p.submit(marked, file, 1, 0ms);
  auto late = p.with({.deadline = 100ms}).submit(marked, file, 2, 0ms);
  auto good = p.submit(marked, file, 3, 0ms);
  CHECK(withdrawn.cancel());
  CHECK(withdrawn.outcome().failure().kind == failure_kind::cancelled);
  CHECK(late.outcome().failure().kind == failure_kind::timeout);
  CHECK(!late.outcome().failure().may_have_executed);
  test_node node(server().url(), "nobody");
  CHECK(good.get() == 3);
  CHECK(marks_in(file) == std::map<int, int>{{3, 1}});
}

TEST_CASE("work that no node can take comes back with what nodes offer") {
  if (!broker::is_installed())
    return;
  server();
  const leak_guard guard;
  auto engine = through("empty");
  engine.nodes_within = {};
  pool p({.engine = engine});
  const auto f = p.submit(doubled, 1).outcome();
  REQUIRE(!f);
  CHECK(f.failure().kind == failure_kind::rejected);
  CHECK(f.failure().message.find("no node") != std::string::npos);
  CHECK(find_nodes(engine, 300ms).empty());
}

TEST_CASE("a wrong password and options without effect are told at once") {
  if (!broker::is_installed())
    return;
  server();
  const leak_guard guard;
  const auto text_of = [](auto&& make) -> std::string {
    try {
      make();
    } catch (const error& e) {
      return e.what();
    }
    return {};
  };
  const auto wrong =
    text_of([] { pool p({.engine = rabbitmq{.url = server().url("secret"), .queue = "x"}}); });
  CHECK(wrong.find("ACCESS_REFUSED") != std::string::npos);
  CHECK(wrong.find("secret") == std::string::npos);
  CHECK(text_of([] { pool p({.workers = 2, .engine = through("x")}); }).find("workers")
        != std::string::npos);
  CHECK(text_of([] {
          pool p({.engine = rabbitmq{.url = "http://x", .queue = "x"}});
        }).find("rabbitmq::url")
        != std::string::npos);
  pool p({.engine = through("x")});
  CHECK_THROWS_AS(p.broadcast([] {}), config_error);
  CHECK_THROWS_AS(p.resize(2), config_error);
}
