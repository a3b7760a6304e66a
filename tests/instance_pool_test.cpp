// ctest-timeout: 120
// ctest-label: fault
#include "tests/support/eventually.hpp"
#include "tests/support/host_system.hpp"
#include "tests/support/leak_guard.hpp"

#include <bulkhead/error.hpp>
#include <bulkhead/instance_pool.hpp>
#include <bulkhead/spawn_pool.hpp>

#include <caf/actor_system.hpp>
#include <caf/event_based_actor.hpp>
#include <caf/scoped_actor.hpp>
#include <caf/send.hpp>
#include <doctest/doctest.h>

#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <set>
#include <stdexcept>
#include <thread>
#include <vector>

namespace {

using namespace std::chrono_literals;
using bulkhead::distribution;
using bulkhead::instance_pool;
using bulkhead::tests::ask;
using bulkhead::tests::eventually;
using bulkhead::tests::host_system;
using bulkhead::tests::leak_guard;

caf::behavior echo(caf::event_based_actor*) {
  return {
    [](std::int32_t x) { return x; },
    [](caf::get_atom) { return static_cast<std::int32_t>(::getpid()); },
    [](caf::put_atom, std::int32_t ms) {
      std::this_thread::sleep_for(std::chrono::milliseconds{ms});
      return static_cast<std::int32_t>(::getpid());
    },
  };
}

bulkhead::pool_options instances(std::size_t n) {
  bulkhead::pool_options o;
  o.workers = n;
  o.dispatch = bulkhead::dispatch_policy::round_robin;
  o.restart.max_restarts = 1000;
  return o;
}

std::set<pid_t> pids(const instance_pool& pool) {
  std::set<pid_t> all;
  for (const auto& one : pool.instances())
    all.insert(one.pid);
  return all;
}

} // namespace

TEST_CASE("a pool of instances grows and shrinks; who leaves answers what it has") {
  leak_guard guard;
  host_system host;
  instance_pool pool{bulkhead::spawn_pool(*host.system, instances(1), echo)};
  caf::scoped_actor self{*host.system};
  CHECK(ask<std::int32_t>(self, pool, std::int32_t{1}) == 1);
  pool.resize(4);
  REQUIRE(eventually([&] { return pool.stats().serving == 4; }));
  CHECK(pids(pool).size() == 4);
  // A long request at each of them.
  std::atomic<int> answers = 0;
  std::atomic<int> errors = 0;
  auto asker = host.system->spawn([&](caf::event_based_actor* me) -> caf::behavior {
    for (int i = 0; i < 8; ++i)
      me->request(pool.actor(), caf::infinite, caf::put_atom_v, 40)
        .then([&](std::int32_t) { ++answers; }, [&](const caf::error&) { ++errors; });
    return {[me](int) { me->quit(); }};
  });
  REQUIRE(eventually([&] { return pool.stats().unanswered == 8; }));
  pool.resize(2);
  CHECK(pool.stats().serving == 2);
  CHECK(eventually([&] { return pids(pool).size() == 2; }));
  CHECK(eventually([&] { return answers + errors == 8; }));
  CHECK(errors == 0);
  CHECK(pool.stats().restarts == 0);
  // And again, before the last change is through.
  pool.resize(1);
  pool.resize(3);
  CHECK(eventually([&] { return pool.stats().serving == 3; }));
  CHECK(pool.instances().size() == 3);
  CHECK(pool.stats().refused == 0);
  CHECK_THROWS_AS(pool.resize(0), bulkhead::config_error);
  CHECK_THROWS_AS(pool.resize(5000), bulkhead::config_error);
  caf::anon_send(asker, 1);
}

TEST_CASE("requests while a pool is resized again and again are each answered once") {
  leak_guard guard;
  host_system host;
  instance_pool pool{bulkhead::spawn_pool(*host.system, instances(3), echo)};
  std::atomic<int> answers = 0;
  std::atomic<int> wrong = 0;
  constexpr int requests = 2000;
  auto asker = host.system->spawn([&](caf::event_based_actor* me) -> caf::behavior {
    for (std::int32_t i = 0; i < requests; ++i)
      me->request(pool.actor(), caf::infinite, i)
        .then(
          [&, i](std::int32_t x) {
            wrong += x != i;
            ++answers;
          },
          [&](const caf::error&) {
            ++wrong;
            ++answers;
          });
    return {[me](int) { me->quit(); }};
  });
  for (const std::size_t n : {1u, 4u, 2u, 3u, 1u, 2u})
    pool.resize(n);
  CHECK(eventually([&] { return answers == requests; }));
  CHECK(wrong == 0);
  CHECK(eventually([&] { return pool.stats().serving == 2 && pool.instances().size() == 2; }));
  const auto all = pool.stats();
  CHECK(all.messages == requests);
  CHECK(all.unanswered == 0);
  caf::anon_send(asker, 1);
}

TEST_CASE("a pool that is closed answers what it has, takes nothing more, and its actor ends") {
  leak_guard guard;
  host_system host;
  instance_pool pool{bulkhead::spawn_pool(*host.system, instances(2), echo)};
  caf::scoped_actor self{*host.system};
  caf::scoped_actor watcher{*host.system};
  watcher->monitor(pool.actor());
  auto one = self->request(pool.actor(), caf::infinite, caf::put_atom_v, 100);
  auto two = self->request(pool.actor(), caf::infinite, caf::put_atom_v, 100);
  pool.close();
  pool.close();
  bool refused = false;
  self->request(pool.actor(), 20s, std::int32_t{1})
    .receive([](std::int32_t) {},
             [&](const caf::error& e) {
               refused =
                 bulkhead::failure_of(e).value().kind == bulkhead::failure_kind::pool_closed;
             });
  CHECK(refused);
  int values = 0;
  for (auto* answer : {&one, &two})
    answer->receive([&](std::int32_t) { ++values; }, [](const caf::error&) {});
  CHECK(values == 2);
  watcher->receive(
    [](const caf::down_msg& d) { CHECK(d.reason == caf::exit_reason::user_shutdown); });
  CHECK_THROWS_AS(pool.resize(2), bulkhead::pool_closed);
  CHECK_THROWS_AS(instance_pool{caf::actor_cast<caf::actor>(self)}, bulkhead::config_error);
}

TEST_CASE("instances past their age are replaced one after the other; no request notices") {
  leak_guard guard;
  host_system host;
  auto options = instances(2);
  options.max_age_per_worker = 100ms;
  instance_pool pool{bulkhead::spawn_pool(*host.system, options, echo)};
  caf::scoped_actor self{*host.system};
  const auto first = pids(pool);
  REQUIRE(first.size() == 2);
  std::int32_t n = 0;
  CHECK(eventually([&] {
    ++n;
    CHECK(ask<std::int32_t>(self, pool, n) == n);
    const auto now = pids(pool);
    return std::none_of(now.begin(), now.end(), [&](pid_t p) { return first.contains(p); });
  }));
  CHECK(pool.stats().restarts == 0);
  CHECK(pool.stats().refused == 0);
}

TEST_CASE("to all, first and scattered messages wait for instances that are started again") {
  leak_guard guard;
  host_system host;
  const auto split = [](const caf::message& m, std::size_t n) {
    return std::vector<caf::message>(n, m);
  };
  const auto join = [](const std::vector<caf::message>& all) { return all.front(); };
  for (const auto& how :
       {distribution::to_all(), distribution::first(), distribution::scatter(split, join)}) {
    auto options = instances(2);
    options.restart.backoff_initial = 1ms;
    options.retries = 100; // a request that a dying instance had is asked again
    instance_pool pool{bulkhead::spawn_pool(*host.system, options, how, echo)};
    caf::scoped_actor self{*host.system};
    for (std::int32_t round = 0; round < 10; ++round) {
      for (const auto& one : pool.instances())
        if (one.pid != 0)
          ::kill(one.pid, SIGKILL);
      // All are dying, down or starting: none of these is refused.
      for (std::int32_t i = 0; i < 5; ++i)
        CHECK(ask<std::int32_t>(self, pool, i) == i);
    }
    CHECK(pool.stats().refused == 0);
  }
}

TEST_CASE("a split that throws is the answer to its request, and harms nobody") {
  leak_guard guard;
  host_system host;
  const auto join = [](const std::vector<caf::message>& all) { return all.front(); };
  instance_pool pool{bulkhead::spawn_pool(*host.system, instances(2),
                                          distribution::scatter(
                                            [](const caf::message& m, std::size_t n) {
                                              if (m.get_as<std::int32_t>(0) < 0)
                                                throw std::runtime_error("no parts below zero");
                                              return std::vector<caf::message>(n, m);
                                            },
                                            join),
                                          echo)};
  caf::scoped_actor self{*host.system};
  auto host_actor = host.system->spawn([&](caf::event_based_actor* me) -> caf::behavior {
    return {[me, whom = pool.actor()](std::int32_t x) {
      auto promise = me->make_response_promise<std::int32_t>();
      bulkhead::actors::ask(me, whom, caf::infinite, x)
        .then([promise](std::int32_t y) mutable { promise.deliver(y); },
              [promise](const caf::error& e) mutable { promise.deliver(e); });
      return promise;
    }};
  });
  std::string why;
  self->request(host_actor, 20s, std::int32_t{-1})
    .receive([](std::int32_t) {},
             [&](const caf::error& e) { why = bulkhead::failure_of(e).value().message; });
  CHECK(why.find("split threw") != std::string::npos);
  CHECK(why.find("no parts below zero") != std::string::npos);
  CHECK(ask<std::int32_t>(self, host_actor, std::int32_t{4}) == 4); // it lives
  CHECK(pool.stats().refused == 1);
  caf::anon_send_exit(host_actor, caf::exit_reason::kill);
  CHECK_THROWS_WITH_AS(
    bulkhead::spawn_pool(*host.system, instances(1), distribution::scatter({}, join), echo),
    doctest::Contains("no function that splits"), bulkhead::config_error);
  CHECK_THROWS_WITH_AS(bulkhead::spawn_pool(*host.system, instances(1), distribution::by({}), echo),
                       doctest::Contains("no function that chooses"), bulkhead::config_error);
}
