// ctest-timeout: 180
// ctest-label: fault
#include "tests/support/caf_spelling.hpp"
#include "tests/support/eventually.hpp"
#include "tests/support/host_system.hpp"
#include "tests/support/leak_guard.hpp"

#include <bulkhead/actor.hpp>
#include <bulkhead/error.hpp>
#include <bulkhead/spawn_pool.hpp>
#include <bulkhead/tasks.hpp>

#include <caf/actor_system.hpp>
#include <caf/event_based_actor.hpp>
#include <caf/scoped_actor.hpp>
#include <doctest/doctest.h>

#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <stdexcept>

namespace {

using namespace std::chrono_literals;
using bulkhead::distribution;
using bulkhead::tests::ask;
using bulkhead::tests::eventually;
using bulkhead::tests::host_system;
using bulkhead::tests::leak_guard;

caf::behavior adder(caf::event_based_actor* self) {
  return {
    [](int x) { return x + 1; },
    [self](const std::string& note) {
      self->send(caf::actor_cast<caf::actor>(self->current_sender()), note);
    },
  };
}

bulkhead::pool_options two() {
  bulkhead::pool_options o;
  o.workers = 2;
  return o;
}

/// Asks from an actor of a worker, so that the pool's actor is used on the runtime thread.
caf::behavior middleman(caf::event_based_actor* self) {
  return {[self](const caf::actor& pool, int x) {
    auto promise = self->make_response_promise();
    self->request(pool, 20s, x)
      .then([promise](int y) mutable { promise.deliver(y); },
            [promise](caf::error& e) mutable { promise.deliver(std::move(e)); });
    return promise;
  }};
}

bulkhead::failure failure_through(caf::scoped_actor& self, const caf::actor& by,
                                  const caf::actor& pool) {
  bulkhead::failure result;
  self->request(by, 20s, pool, 1)
    .receive([](const caf::message&) { FAIL_CHECK("a value came"); },
             [&](const caf::error& e) { result = bulkhead::failure_of(e).value(); });
  return result;
}

void throws_no_class() { throw 7; }
int fails(int) { throw std::runtime_error("as it must"); }
BULKHEAD_TASK("guard_fails", fails)

} // namespace

TEST_CASE("what a distribution's functions throw, of whatever type, is the answer") {
  leak_guard guard;
  host_system host;
  caf::scoped_actor self{*host.system};
  bulkhead::pool workers{*host.system, two()};
  auto by = workers.spawn(middleman);
  const auto split = distribution::scatter(
    [](const caf::message&, std::size_t) -> std::vector<caf::message> {
      throw std::runtime_error("cannot split");
    },
    [](const std::vector<caf::message>& all) { return all.front(); });
  const auto key = distribution::by_key([](const caf::message&) -> std::string {
    throws_no_class();
    return {};
  });
  const auto choice =
    distribution::by([](const caf::message&, const std::vector<std::size_t>&) -> std::size_t {
      throws_no_class();
      return 0;
    });
  auto scattered = bulkhead::spawn_pool(*host.system, two(), split, adder);
  CHECK(failure_through(self, by, scattered).message.find("cannot split") != std::string::npos);
  for (const auto& how : {key, choice}) {
    auto pool = bulkhead::spawn_pool(*host.system, two(), how, adder);
    CHECK(failure_through(self, by, pool).message.find("threw int") != std::string::npos);
  }
}

TEST_CASE("a distribution's function may use the actor that it distributes for") {
  leak_guard guard;
  host_system host;
  caf::scoped_actor self{*host.system};
  caf::actor pool;
  std::atomic<int> calls = 0;
  auto chooser = [&](const caf::message&, const std::vector<std::size_t>&) -> std::size_t {
    if (++calls == 1)
      caf::anon_send(pool, 5);
    return 0;
  };
  pool = bulkhead::spawn_pool(*host.system, two(), distribution::by(chooser), adder);
  CHECK(ask<int>(self, pool, 1) == 2);
  CHECK(calls == 2);
  pool = nullptr;
}

TEST_CASE("plain messages to all instances keep their sender") {
  leak_guard guard;
  host_system host;
  caf::scoped_actor self{*host.system};
  auto pool = bulkhead::spawn_pool(*host.system, two(), distribution::to_all(), adder);
  self->send(pool, std::string{"hello"});
  int echoes = 0;
  for (int i = 0; i < 2; ++i)
    self->receive([&](const std::string& note) { echoes += note == "hello"; },
                  caf::after(20s) >> [] { FAIL_CHECK("an instance did not reach the sender"); });
  CHECK(echoes == 2);
}

TEST_CASE("a plain message that fails is counted, and its sender lives") {
  leak_guard guard;
  host_system host;
  caf::scoped_actor self{*host.system};
  bulkhead::pool p{*host.system, two()};
  auto tasks = p.actor();
  auto sender = host.system->spawn([&](caf::event_based_actor* me) -> caf::behavior {
    return {[me, tasks](const std::string& task) { me->send(tasks, task, 1); },
            [](int x) { return x; }};
  });
  self->send(sender, std::string{"guard_fails"});
  self->send(sender, std::string{"unknown to all"});
  CHECK(eventually([&] { return p.stats().dead_letters == 2; }));
  CHECK(ask<int>(self, sender, 3) == 3);
  caf::anon_send_exit(sender, caf::exit_reason::user_shutdown);
}

TEST_CASE("requests that move on from a dead instance keep the order of their sender") {
  leak_guard guard;
  host_system host;
  caf::scoped_actor self{*host.system};
  constexpr int total = 200;
  auto options = two();
  options.retries = 5;
  auto pool = bulkhead::spawn_pool(
    *host.system, options, distribution::by_key([](const caf::message&) { return "one"; }),
    [](caf::event_based_actor* me) -> caf::behavior {
      auto seen = std::make_shared<std::int64_t>(0);
      return {[seen](int) { return (static_cast<std::int64_t>(::getpid()) << 32) + ++*seen; },
              [](caf::get_atom) { return static_cast<std::int32_t>(::getpid()); },
              [me](caf::close_atom) {
                // Dies with all that stands behind this one unseen.
                ::kill(::getpid(), SIGKILL);
                me->quit();
              }};
    });
  const auto first = ask<std::int32_t>(self, pool, caf::get_atom_v);
  self->send(pool, caf::close_atom_v);
  std::vector<decltype(self->request(pool, 30s, 1))> answers;
  for (int i = 0; i < total; ++i) {
    if (i % 60 == 50) // the next one dies while those that wait are handed out
      self->send(pool, caf::close_atom_v);
    answers.push_back(self->request(pool, 30s, i));
  }
  // Each says where it came and as which one there: the instance of the key may change once more.
  std::map<std::int64_t, std::vector<std::int64_t>> seen;
  for (auto& a : answers)
    a.receive([&](std::int64_t x) { seen[x >> 32].push_back(x); },
              [&](const caf::error& e) { FAIL_CHECK(host.system->render(e)); });
  // A second time where the first process was quicker than the rest of the messages.
  if (ask<std::int32_t>(self, pool, caf::get_atom_v) == first)
    FAIL_CHECK("the instance did not die");
  std::size_t answered = 0;
  for (const auto& [process, order] : seen) {
    CHECK(std::is_sorted(order.begin(), order.end()));
    answered += order.size();
  }
  CHECK(answered == total);
}
