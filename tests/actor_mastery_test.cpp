// ctest-timeout: 180
// ctest-label: fault
#include "tests/support/caf_spelling.hpp"
#include "tests/support/eventually.hpp"
#include "tests/support/host_system.hpp"
#include "tests/support/leak_guard.hpp"

#include <bulkhead/actor.hpp>
#include <bulkhead/error.hpp>

#include <caf/actor_system.hpp>
#include <caf/event_based_actor.hpp>
#include <caf/scoped_actor.hpp>
#include <doctest/doctest.h>

#include <unistd.h>

#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace {

using namespace std::chrono_literals;
using bulkhead::exit_cause;
using bulkhead::placement;
using bulkhead::tests::ask;
using bulkhead::tests::eventually;
using bulkhead::tests::host_system;
using bulkhead::tests::leak_guard;

[[noreturn]] void endless() {
  for (volatile std::uint64_t i = 0;;)
    i = i + 1;
}

caf::behavior wild(caf::event_based_actor* self) {
  return {
    [](caf::get_atom) { return static_cast<std::int32_t>(::getpid()); },
    [](caf::put_atom) { endless(); },
    [](caf::tick_atom) { ::pause(); },
    [](caf::add_atom) {
      static std::vector<std::unique_ptr<std::vector<char>>> kept;
      for (;;)
        kept.push_back(std::make_unique<std::vector<char>>(std::size_t{1} << 20, 'x'));
    },
    [self](caf::flush_atom) { return bulkhead::tests::never_answer(self); },
    [](std::int32_t x) { return x + 1; },
  };
}

/// The failure in the down message of an actor; a failed check where none comes.
std::optional<bulkhead::failure> end_of(caf::scoped_actor& self, const caf::actor& whom) {
  std::optional<bulkhead::failure> result;
  bool came = false;
  self->receive(
    [&](const caf::down_msg& d) {
      came = d.source == whom.address();
      result = bulkhead::failure_of(d.reason);
    },
    caf::after(60s) >> [] { FAIL_CHECK("no down message"); });
  CHECK(came);
  return result;
}

/// The cause of the failure that answers; none where a value or another error comes.
template <class... Ts>
exit_cause answer_cause(caf::scoped_actor& self, const caf::actor& whom, Ts&&... xs) {
  auto cause = exit_cause::none;
  self->request(whom, 60s, std::forward<Ts>(xs)...)
    .receive([] {},
             [&](const caf::error& e) {
               if (const auto f = bulkhead::failure_of(e))
                 cause = f->exit.cause;
             });
  return cause;
}

bulkhead::pool_options actors(std::size_t workers) {
  bulkhead::pool_options o;
  o.workers = 1;
  o.actor_workers = workers;
  return o;
}

} // namespace

TEST_CASE("kill ends an actor in an endless loop; neighbours and requesters hear why at once") {
  leak_guard guard;
  host_system host;
  bulkhead::pool pool{*host.system, actors(1)};
  caf::scoped_actor self{*host.system};
  caf::scoped_actor other{*host.system};
  auto looping = pool.spawn(wild);
  auto neighbour = pool.spawn(wild);
  REQUIRE(ask<std::int32_t>(self, looping, caf::get_atom_v)
          == ask<std::int32_t>(self, neighbour, caf::get_atom_v));
  self->monitor(looping);
  other->monitor(neighbour);
  self->send(looping, caf::put_atom_v);
  REQUIRE(eventually([&] {
    for (const auto& a : pool.actors())
      if (a.in_hand > 0ns)
        return true;
    return false;
  }));
  bulkhead::kill(looping, 50ms);
  const auto its = end_of(self, looping).value();
  CHECK(its.exit.cause == exit_cause::killed);
  CHECK(its.message.find("was to end and did not within its grace") != std::string::npos);
  const auto others = end_of(other, neighbour).value();
  CHECK(others.exit.cause == exit_cause::neighbour_killed);
  CHECK(others.worker == its.worker);
  // Afterwards too each hears its own.
  CHECK(answer_cause(self, looping, 1) == exit_cause::killed);
  CHECK(answer_cause(self, neighbour, 1) == exit_cause::neighbour_killed);
  CHECK(ask<std::int32_t>(self, pool.spawn(wild), 1) == 2);
}

TEST_CASE("requests to a killed actor and to its neighbour are answered with their own causes") {
  leak_guard guard;
  host_system host;
  bulkhead::pool pool{*host.system, actors(1)};
  caf::scoped_actor self{*host.system};
  auto blocked = pool.spawn(wild);
  auto neighbour = pool.spawn(wild);
  auto first = self->request(neighbour, caf::infinite, caf::flush_atom_v);
  auto second = self->request(blocked, caf::infinite, caf::tick_atom_v);
  REQUIRE(eventually([&] {
    const auto all = pool.actors();
    return std::any_of(all.begin(), all.end(), [](const auto& a) { return a.in_hand > 0ns; });
  }));
  bulkhead::kill(blocked, 0s);
  auto cause_of = [](auto& answer) {
    auto cause = exit_cause::none;
    answer.receive([] {},
                   [&](const caf::error& e) {
                     if (const auto f = bulkhead::failure_of(e))
                       cause = f->exit.cause;
                   });
    return cause;
  };
  CHECK(cause_of(second) == exit_cause::killed);
  CHECK(cause_of(first) == exit_cause::neighbour_killed);
}

TEST_CASE("an actor that yields ends by its exit message, and its neighbours live") {
  leak_guard guard;
  host_system host;
  bulkhead::pool pool{*host.system, actors(1)};
  caf::scoped_actor self{*host.system};
  auto one = pool.spawn(wild);
  auto neighbour = pool.spawn(wild);
  const auto pid = ask<std::int32_t>(self, neighbour, caf::get_atom_v);
  self->monitor(one);
  for (int i = 0; i < 5; ++i)
    bulkhead::kill(one, 60s);
  self->receive([&](const caf::down_msg& d) { CHECK(d.reason == caf::exit_reason::kill); });
  bulkhead::kill(one, 0s); // it has ended: nobody is harmed
  CHECK(ask<std::int32_t>(self, neighbour, caf::get_atom_v) == pid);
  CHECK_THROWS_AS(bulkhead::kill(caf::actor{}), bulkhead::config_error);
  CHECK_THROWS_AS(bulkhead::kill(neighbour, -1ns), bulkhead::config_error);
  CHECK_THROWS_AS(bulkhead::kill(host.system->spawn(wild)), bulkhead::config_error);
}

TEST_CASE("a limit of time for each message is kept: the pool's, and an actor's own") {
  leak_guard guard;
  host_system host;
  auto options = actors(2);
  options.task_timeout = 300ms;
  bulkhead::pool pool{*host.system, options};
  caf::scoped_actor self{*host.system};
  auto slow = pool.spawn(wild);
  CHECK(answer_cause(self, slow, caf::put_atom_v) == exit_cause::timed_out);
  auto hasty = pool.with(bulkhead::actor_options{.message_timeout = 50ms, .name = "hasty"})
                 .spawn(placement::own_process, wild);
  CHECK(ask<std::int32_t>(self, hasty, 1) == 2);
  self->monitor(hasty);
  self->send(hasty, caf::tick_atom_v);
  const auto end = end_of(self, hasty).value();
  CHECK(end.exit.cause == exit_cause::timed_out);
  CHECK(end.message.find("its limit is 50 ms") != std::string::npos);
}

TEST_CASE("an actor that leaks ends at the limit, and says how much it took") {
  leak_guard guard;
  host_system host;
  auto options = actors(1);
  options.max_memory_per_worker = std::size_t{96} << 20;
  bulkhead::pool pool{*host.system, options};
  caf::scoped_actor self{*host.system};
  auto fat = pool.spawn(wild);
  self->monitor(fat);
  self->send(fat, caf::add_atom_v);
  const auto end = end_of(self, fat).value();
  CHECK(end.exit.cause == exit_cause::memory_limit);
  CHECK(end.message.find("its limit is 96 MiB") != std::string::npos);
  auto own = pool.with(bulkhead::actor_options{.memory_limit = std::size_t{48} << 20})
               .spawn(placement::own_process, wild);
  self->monitor(own);
  self->send(own, caf::add_atom_v);
  CHECK(end_of(self, own).value().message.find("its limit is 48 MiB") != std::string::npos);
}

TEST_CASE(
  "a worker with a hanging actor delays no start elsewhere, and says so where there is no other") {
  leak_guard guard;
  host_system host;
  bulkhead::pool pool{*host.system, actors(2)};
  caf::scoped_actor self{*host.system};
  auto first = pool.spawn(placement::by_key("a"), wild);
  const auto stuck = ask<std::int32_t>(self, first, caf::get_atom_v);
  self->send(first, caf::put_atom_v);
  // Balanced ones go elsewhere, however many there are by now.
  for (int i = 0; i < 4; ++i)
    CHECK(ask<std::int32_t>(self, pool.spawn(wild), caf::get_atom_v) != stuck);
  // The same key means the same worker: this one cannot be had.
  try {
    pool.spawn(placement::by_key("a"), wild);
    FAIL_CHECK("an actor was started in a worker that hangs");
  } catch (const bulkhead::timeout_error& e) {
    CHECK(std::string{e.what()}.find("keeps all others waiting") != std::string::npos);
  }
  bulkhead::kill(first, 0s);
  self->monitor(first);
  CHECK(end_of(self, first).value().exit.cause == exit_cause::killed);
  CHECK(ask<std::int32_t>(self, pool.spawn(placement::by_key("a"), wild), 1) == 2);
}

TEST_CASE("an actor worker whose initializer does not end is killed within its limit") {
  leak_guard guard;
  host_system host;
  auto options = actors(1);
  options.ready_within = 100ms;
  bulkhead::pool fine{*host.system, options};
  caf::scoped_actor self{*host.system};
  CHECK(ask<std::int32_t>(self, fine.spawn(wild), 1) == 2);
  options.initializer = [] { ::pause(); };
  options.restart.max_restarts = 0;
  bulkhead::pool pool{*host.system, options};
  try {
    pool.spawn(wild);
    FAIL_CHECK("an actor was started in a worker that is not ready");
  } catch (const bulkhead::worker_died& e) {
    CHECK(e.info().exit.cause == exit_cause::start_failed);
    CHECK(e.info().message.find("ready_within") != std::string::npos);
  }
}

TEST_CASE("a worker past its age takes no more actors, and ends with its last") {
  leak_guard guard;
  host_system host;
  auto options = actors(1);
  options.max_age_per_worker = 200ms;
  bulkhead::pool pool{*host.system, options};
  caf::scoped_actor self{*host.system};
  auto old = pool.spawn(wild);
  const auto first = ask<std::int32_t>(self, old, caf::get_atom_v);
  REQUIRE(eventually(
    [&] { return ask<std::int32_t>(self, pool.spawn(wild), caf::get_atom_v) != first; }));
  CHECK(ask<std::int32_t>(self, old, caf::get_atom_v) == first); // it lives on with its state
  bulkhead::kill(old);
  old = nullptr;
  CHECK(eventually([&] {
    const auto all = pool.workers();
    return std::none_of(all.begin(), all.end(), [&](const auto& w) { return w.pid == first; });
  }));
}
