// ctest-timeout: 180
// ctest-label: fault
#include "tests/support/caf_spelling.hpp"
#include "tests/support/eventually.hpp"
#include "tests/support/host_system.hpp"
#include "tests/support/leak_guard.hpp"

#include <bulkhead/error.hpp>
#include <bulkhead/spawn_pool.hpp>
#include <bulkhead/spawn_pool_info.hpp>

#include <caf/actor_system.hpp>
#include <caf/actor_system_config.hpp>
#include <caf/event_based_actor.hpp>
#include <caf/scoped_actor.hpp>
#include <doctest/doctest.h>

#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <memory>
#include <mutex>
#include <set>

namespace {

using namespace std::chrono_literals;
using bulkhead::distribution;
using bulkhead::tests::ask;
using bulkhead::tests::eventually;
using bulkhead::tests::host_system;
using bulkhead::tests::leak_guard;

caf::behavior instance(caf::event_based_actor* self, int base) {
  return {
    [](caf::get_atom) { return static_cast<std::int32_t>(::getpid()); },
    [](const std::string&) { return static_cast<std::int32_t>(::getpid()); },
    [base](int x) { return base + x; },
    [](caf::close_atom) -> int { std::abort(); },
    [self](caf::flush_atom) { return bulkhead::tests::never_answer(self); },
    [](const std::vector<std::int32_t>& xs) {
      std::int32_t sum = 0;
      for (auto x : xs)
        sum += x;
      return sum;
    },
  };
}

caf::behavior fails_to_start(caf::event_based_actor*) { throw std::runtime_error("no licence"); }

bulkhead::pool_options three(std::size_t n = 3) {
  bulkhead::pool_options o;
  o.workers = n;
  return o;
}

template <class... Ts>
bulkhead::failure failure_of(caf::scoped_actor& self, const caf::actor& whom, Ts&&... xs) {
  bulkhead::failure result;
  self->request(whom, 20s, std::forward<Ts>(xs)...)
    .receive([](const caf::message&) { FAIL_CHECK("a value came"); },
             [&](const caf::error& e) { result = bulkhead::failure_of(e).value(); });
  return result;
}

std::set<std::int32_t> pids(caf::scoped_actor& self, const caf::actor& pool, int asks) {
  std::set<std::int32_t> result;
  for (int i = 0; i < asks; ++i)
    result.insert(ask<std::int32_t>(self, pool, caf::get_atom_v));
  return result;
}

} // namespace

TEST_CASE("a pool of actors spreads messages by its policy") {
  leak_guard guard;
  host_system host;
  caf::scoped_actor self{*host.system};
  auto options = three();
  options.dispatch = bulkhead::dispatch_policy::round_robin;
  auto round = bulkhead::spawn_pool(*host.system, options, instance, 100);
  CHECK(pids(self, round, 3).size() == 3);
  CHECK(ask<int>(self, round, 5) == 105);
  options.dispatch = bulkhead::dispatch_policy::random;
  CHECK(ask<int>(self, bulkhead::spawn_pool(*host.system, options, instance, 1), 5) == 6);

  auto keyed = bulkhead::spawn_pool(*host.system, three(), distribution::by_key(), instance, 0);
  const auto first = ask<std::int32_t>(self, keyed, std::string{"ann"});
  for (int i = 0; i < 5; ++i)
    CHECK(ask<std::int32_t>(self, keyed, std::string{"ann"}) == first);

  auto last = bulkhead::spawn_pool(
    *host.system, three(),
    distribution::by(
      [](const caf::message&, const std::vector<std::size_t>& loads) { return loads.size() - 1; }),
    instance, 0);
  CHECK(pids(self, last, 5).size() == 1);
}

TEST_CASE("least loaded avoids an instance that owes answers") {
  leak_guard guard;
  host_system host;
  caf::scoped_actor self{*host.system};
  auto pool = bulkhead::spawn_pool(*host.system, three(2), instance, 0);
  // Owes an answer for ever.
  self->request(pool, caf::infinite, caf::flush_atom_v);
  CHECK(pids(self, pool, 4).size() == 1);
}

TEST_CASE("broadcast, first answer and scatter give one answer each") {
  leak_guard guard;
  host_system host;
  caf::scoped_actor self{*host.system};
  auto all = bulkhead::spawn_pool(*host.system, three(), distribution::to_all(), instance, 7);
  CHECK(ask<int>(self, all, 1) == 8);
  auto first = bulkhead::spawn_pool(*host.system, three(), distribution::first(), instance, 7);
  CHECK(ask<int>(self, first, 2) == 9);
  auto sums = bulkhead::spawn_pool(*host.system, three(),
                                   distribution::scatter(
                                     [](const caf::message& msg, std::size_t n) {
                                       const auto& xs = msg.get_as<std::vector<std::int32_t>>(0);
                                       std::vector<std::vector<std::int32_t>> parts(n);
                                       for (std::size_t i = 0; i < xs.size(); ++i)
                                         parts[i % n].push_back(xs[i]);
                                       std::vector<caf::message> result;
                                       for (auto& p : parts)
                                         result.push_back(caf::make_message(std::move(p)));
                                       return result;
                                     },
                                     [](const std::vector<caf::message>& answers) {
                                       std::int32_t sum = 0;
                                       for (auto& a : answers)
                                         sum += a.get_as<std::int32_t>(0);
                                       return caf::make_message(sum);
                                     }),
                                   instance, 0);
  CHECK(ask<std::int32_t>(self, sums, std::vector<std::int32_t>{1, 2, 3, 4, 5, 6, 7}) == 28);
}

TEST_CASE("a dead instance is started again with its arguments; its request says it may have run") {
  leak_guard guard;
  host_system host;
  caf::scoped_actor self{*host.system};
  auto pool = bulkhead::spawn_pool(*host.system, three(1), instance, 30);
  const auto pid = ask<std::int32_t>(self, pool, caf::get_atom_v);
  const auto f = failure_of(self, pool, caf::close_atom_v);
  CHECK(f.kind == bulkhead::failure_kind::worker_died);
  CHECK(f.exit.signal == SIGABRT);
  CHECK(f.may_have_executed);
  // Waits in the backlog until the replacement serves.
  CHECK(ask<int>(self, pool, 12) == 42);
  CHECK(ask<std::int32_t>(self, pool, caf::get_atom_v) != pid);
}

TEST_CASE("kill -9 of instances: each request has one outcome, idempotent ones always a value") {
  leak_guard guard;
  host_system host;
  for (std::size_t retries : {std::size_t{0}, std::size_t{8}}) {
    auto options = three(2);
    options.retries = retries;
    options.restart.backoff_initial = 1ms;
    auto pool = bulkhead::spawn_pool(*host.system, options, instance, 1);
    caf::scoped_actor self{*host.system};
    constexpr int requests = 600;
    std::vector<std::atomic<int>> each(requests);
    std::atomic<int> values = 0;
    std::atomic<int> errors = 0;
    std::atomic<int> wrong = 0;
    auto asker = host.system->spawn([&](caf::event_based_actor* me) -> caf::behavior {
      for (int i = 0; i < requests; ++i)
        me->request(pool, 60s, i)
          .then(
            [&, i](int x) {
              ++each[static_cast<std::size_t>(i)];
              wrong += x != i + 1;
              ++values;
            },
            [&, i](caf::error& e) {
              ++each[static_cast<std::size_t>(i)];
              auto f = bulkhead::failure_of(e);
              wrong += !f || !f->may_have_executed;
              ++errors;
            });
      return {[me](int) { me->quit(); }};
    });
    for (int kills = 0; kills < 3; ++kills) {
      const auto victim = ask<std::int32_t>(self, pool, caf::get_atom_v);
      ::kill(victim, SIGKILL);
    }
    CHECK(eventually([&] { return values + errors == requests; }));
    CHECK(wrong == 0);
    if (retries != 0)
      CHECK(errors == 0);
    for (auto& n : each)
      CHECK(n == 1);
    caf::anon_send(asker, 1);
  }
}

TEST_CASE("a pool of actors tells of its instances; another actor has none") {
  leak_guard guard;
  host_system host;
  caf::scoped_actor self{*host.system};
  const auto pool = bulkhead::spawn_pool(*host.system, three(), instance, 10);
  const auto before = bulkhead::info_of_spawn_pool(pool);
  REQUIRE(before.instances.size() == 3);
  CHECK(before.waiting == 0);
  std::set<std::int32_t> known;
  for (const auto& one : before.instances) {
    CHECK(one.serves);
    CHECK(one.unanswered == 0);
    known.insert(one.pid);
  }
  CHECK(known.size() == 3);
  [[maybe_unused]] const auto hanging = self->request(pool, caf::infinite, caf::flush_atom_v);
  CHECK(eventually([&] {
    const auto now = bulkhead::info_of_spawn_pool(pool).instances;
    return std::any_of(now.begin(), now.end(), [](const auto& one) { return one.unanswered == 1; });
  }));
  ::kill(before.instances[1].pid, SIGKILL);
  CHECK(eventually([&] {
    const auto now = bulkhead::info_of_spawn_pool(pool).instances[1];
    return now.number == 2 && now.serves && now.pid != before.instances[1].pid;
  }));
  CHECK_THROWS_AS(bulkhead::info_of_spawn_pool(caf::actor_cast<caf::actor>(self)),
                  bulkhead::config_error);
}

TEST_CASE("a behaviour that cannot start is an error of spawn_pool") {
  leak_guard guard;
  host_system host;
  CHECK_THROWS_WITH_AS(bulkhead::spawn_pool(*host.system, three(1), fails_to_start),
                       doctest::Contains("while it started"), bulkhead::task_error);
}

TEST_CASE("a pool of actors ends by exit message, last handle and system shut-down") {
  leak_guard guard;
  for (int how = 0; how < 3; ++how) {
    auto host = std::make_unique<host_system>();
    auto pool = bulkhead::spawn_pool(*host->system, three(2), instance, 0);
    std::int32_t pid = 0;
    {
      caf::scoped_actor self{*host->system};
      pid = ask<std::int32_t>(self, pool, caf::get_atom_v);
      if (how == 0) {
        self->monitor(pool);
        self->send_exit(pool, caf::exit_reason::user_shutdown);
        self->receive([](const caf::down_msg&) {});
        CHECK(failure_of(self, pool, 1).kind == bulkhead::failure_kind::pool_closed);
      }
    }
    if (how == 1)
      pool = nullptr;
    if (how == 2)
      host = nullptr;
    CHECK(eventually([&] { return ::kill(pid, 0) != 0; }));
    pool = nullptr;
  }
}

TEST_CASE("the starts and ends of actor workers are events, in order") {
  leak_guard guard;
  host_system host;
  std::mutex mutex;
  std::vector<bulkhead::pool_event> told;
  auto options = three(1);
  options.on_event = [&](const bulkhead::pool_event& e) {
    const std::lock_guard lock{mutex};
    told.push_back(e);
  };
  const auto starts = [&] {
    const std::lock_guard lock{mutex};
    return std::count_if(told.begin(), told.end(), [](const auto& e) {
      return e.kind == bulkhead::event_kind::ready && e.pid != 0 && e.text == "actor worker serves";
    });
  };
  const auto check = [&](const bulkhead::pool_event& e, std::int32_t pid) {
    CHECK(e.kind == bulkhead::event_kind::died);
    CHECK(e.pid == pid);
    CHECK(e.exit.signal == SIGABRT);
    CHECK(e.worker == 1);
  };
  caf::scoped_actor self{*host.system};
  SUBCASE("of a spawn_pool") {
    auto pool = bulkhead::spawn_pool(*host.system, options, instance, 0);
    const auto pid = ask<std::int32_t>(self, pool, caf::get_atom_v);
    failure_of(self, pool, caf::close_atom_v);
    CHECK(eventually([&] { return starts() == 2; }));
    const std::lock_guard lock{mutex};
    REQUIRE(told.size() >= 5);
    CHECK(told[0].kind == bulkhead::event_kind::started);
    CHECK(told[1].kind == bulkhead::event_kind::ready);
    check(told[2], pid);
  }
  SUBCASE("of a pool") {
    options.actor_workers = 1;
    options.start = bulkhead::start_method::forkserver;
    bulkhead::pool pool{*host.system, options};
    const auto actor = pool.spawn(instance, 0);
    const auto pid = ask<std::int32_t>(self, actor, caf::get_atom_v);
    failure_of(self, actor, caf::close_atom_v);
    bulkhead::pool_event end;
    CHECK(eventually([&] {
      const std::lock_guard lock{mutex};
      end = told.back();
      return end.kind == bulkhead::event_kind::died;
    }));
    check(end, pid);
  }
}
