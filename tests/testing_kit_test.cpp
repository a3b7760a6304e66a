// ctest-label: fault
#include "tests/support/caf_spelling.hpp"
#include "tests/support/eventually.hpp"
#include "tests/support/leak_guard.hpp"

#include <bulkhead/testing.hpp>

#include <caf/event_based_actor.hpp>
#include <caf/scoped_actor.hpp>
#include <doctest/doctest.h>

#include <string>
#include <vector>

namespace {

using namespace std::chrono_literals;
using bulkhead::testing::deterministic;
using bulkhead::testing::expectation_failed;

// Asks `store` for a price, gives up after 2 s, repeats the last one each minute.
caf::behavior shop(caf::event_based_actor* self, const caf::actor& store, const caf::actor& board) {
  self->delayed_send(self, 60s, caf::tick_atom_v);
  return {
    [=](const std::string& what) {
      self->request(store, 2s, what)
        .then([=](int price) { self->send(board, what, price); },
              [=](const caf::error&) { self->send(board, what, -1); });
    },
    [=](caf::tick_atom) {
      self->send(board, std::string{"tick"}, 0);
      self->delayed_send(self, 60s, caf::tick_atom_v);
    },
  };
}

caf::behavior store(caf::event_based_actor* self) {
  return {[self](const std::string& what) -> caf::result<int> {
    if (what == "never")
      return bulkhead::tests::never_answer(self);
    return static_cast<int>(what.size());
  }};
}

} // namespace

TEST_CASE("messages run one at a time, as expected, allowed and disallowed") {
  deterministic world;
  bulkhead::testing::probe board{world};
  auto s = world.spawn(store);
  auto a = world.spawn(shop, s, board.actor());
  caf::anon_send(a, std::string{"tea"});
  BULKHEAD_DISALLOW(world, a, std::string{"coffee"});
  CHECK_THROWS_AS(world.disallow(a, std::string{"tea"}), expectation_failed);
  CHECK_THROWS_WITH_AS(world.expect(a, std::string{"coffee"}), doctest::Contains("tea"),
                       expectation_failed);
  CHECK_FALSE(world.allow(a, std::string{"coffee"}));
  BULKHEAD_EXPECT(world, a, std::string{"tea"});
  BULKHEAD_EXPECT(world, s, std::string{"tea"});
  BULKHEAD_EXPECT(world, a, 3);
  CHECK(board.received().empty());
  BULKHEAD_EXPECT(world, board.actor(), std::string{"tea"}, 3);
  CHECK(board.count(std::string{"tea"}, 3) == 1);
  CHECK_THROWS_AS(world.expect(s, std::string{"tea"}), expectation_failed);
}

TEST_CASE("time passes only when the test says so") {
  deterministic world;
  bulkhead::testing::probe board{world};
  auto s = world.spawn(store);
  auto a = world.spawn(shop, s, board.actor());
  caf::anon_send(a, std::string{"never"});
  world.run();
  CHECK(board.received().empty());
  world.advance(2s);
  world.run();
  CHECK(board.count(std::string{"never"}, -1) == 1);
  for (int minute = 0; minute < 3; ++minute) {
    world.advance(60s);
    world.run();
  }
  CHECK(board.count(std::string{"tick"}, 0) == 3);
}

TEST_CASE("a killed and a hanging worker answer as the plan says") {
  bulkhead::tests::leak_guard guard;
  bulkhead::testing::real_workers workers{2};
  caf::scoped_actor self{workers.system()};
  auto a = workers.pool().spawn(store);
  auto b = workers.pool().spawn(store);
  CHECK(workers.process_of(a) != 0);
  CHECK(workers.process_of(a) != workers.process_of(b));
  // Killed before it reads: it certainly did not execute.
  workers.hang(a);
  auto unread = self->request(a, caf::infinite, std::string{"tea"});
  workers.kill(a);
  bool executed = true;
  unread.receive(
    [](int) {},
    [&](const caf::error& e) { executed = bulkhead::failure_of(e).value().may_have_executed; });
  CHECK_FALSE(executed);
  workers.hang(b);
  auto late = self->request(b, caf::infinite, std::string{"tea"});
  workers.go_on(b);
  int price = 0;
  late.receive([&](int x) { price = x; }, [](const caf::error&) {});
  CHECK(price == 3);
  CHECK(workers.process_of(a) == 0);
}

TEST_CASE("one of several actors loses its worker, the same one for the same seed") {
  bulkhead::tests::leak_guard guard;
  std::vector<bool> first_died;
  for (int run = 0; run < 2; ++run) {
    bulkhead::testing::real_workers workers{2};
    const std::vector<caf::actor> both{workers.pool().spawn(store), workers.pool().spawn(store)};
    workers.kill_one_of(both, 7);
    const auto gone = [&](const caf::actor& a) { return workers.process_of(a) == 0; };
    CHECK(bulkhead::tests::eventually([&] { return gone(both[0]) || gone(both[1]); }));
    CHECK(gone(both[0]) != gone(both[1]));
    first_died.push_back(gone(both[0]));
  }
  CHECK(first_died[0] == first_died[1]);
}

TEST_CASE(
  "a corrupt frame kills the worker; a dropped one runs into the time-out; both by the seed") {
  bulkhead::tests::leak_guard guard;
  bulkhead::testing::inject({.seed = 7, .corrupt = 1});
  {
    bulkhead::testing::real_workers workers;
    auto a = workers.pool().spawn(store);
    caf::scoped_actor self{workers.system()};
    self->request(a, 20s, std::string{"tea"})
      .receive([](int) { FAIL_CHECK("a corrupt answer was believed"); },
               [](const caf::error& e) {
                 CHECK(bulkhead::exit_status_of(e).value().cause
                       == bulkhead::exit_cause::bad_message);
               });
  }
  bulkhead::testing::inject({.seed = 7, .drop = 1});
  {
    bulkhead::testing::real_workers workers;
    auto a = workers.pool().spawn(store);
    caf::scoped_actor self{workers.system()};
    self->request(a, 30ms, std::string{"tea"})
      .receive([](int) { FAIL_CHECK("a dropped request was answered"); },
               [](const caf::error& e) { CHECK(e == caf::sec::request_timeout); });
  }
  bulkhead::testing::inject({.seed = 7, .delay = 1});
  {
    bulkhead::testing::real_workers workers;
    auto a = workers.pool().spawn(store);
    caf::scoped_actor self{workers.system()};
    int price = 0;
    self->request(a, 20s, std::string{"tea"})
      .receive([&](int x) { price = x; }, [](const caf::error&) {});
    CHECK(price == 3);
  }
  bulkhead::testing::inject({});
}
