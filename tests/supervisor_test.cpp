// ctest-timeout: 180
// ctest-label: fault
#include "tests/support/eventually.hpp"
#include "tests/support/host_system.hpp"
#include "tests/support/leak_guard.hpp"

#include <bulkhead/error.hpp>
#include <bulkhead/supervisor.hpp>

#include <caf/actor_system.hpp>
#include <caf/event_based_actor.hpp>
#include <caf/scoped_actor.hpp>
#include <doctest/doctest.h>

#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <tuple>
#include <vector>

namespace {

using namespace std::chrono_literals;
using namespace bulkhead;
using bulkhead::tests::ask;
using bulkhead::tests::eventually;
using bulkhead::tests::host_system;
using bulkhead::tests::leak_guard;

caf::behavior player(caf::event_based_actor* self) {
  return {
    [](caf::get_atom) { return static_cast<std::int32_t>(::getpid()); },
    [self](caf::put_atom) { self->quit(); },
    [self](caf::tick_atom) { self->quit(caf::exit_reason::user_shutdown); },
    [](caf::add_atom) { ::raise(SIGKILL); },
    [self](caf::flush_atom) { return bulkhead::tests::never_answer(self); },
    [](std::int32_t x) { return x + 1; },
  };
}

caf::behavior stubborn(caf::event_based_actor* self) {
  actors::trap_exit(self, [](caf::exit_msg&) {});
  return player(self);
}

caf::behavior refusing(caf::event_based_actor*) { throw std::runtime_error("no table is free"); }

pool_options some_workers(std::size_t n) {
  pool_options o;
  o.workers = 1;
  o.actor_workers = n;
  return o;
}

child_spec lone(std::string id, restart_type type = restart_type::permanent) {
  return {std::move(id), child(placement::own_process, player), type};
}

supervisor_options with(restart_strategy s, std::size_t most = 100) {
  supervisor_options o;
  o.strategy = s;
  o.max_restarts = most;
  return o;
}

std::map<std::string, child_info> by_id(const supervisor& s, const std::string& below = {}) {
  std::map<std::string, child_info> all;
  for (auto& c : s.which_children(below))
    all[c.id] = c;
  return all;
}

std::size_t incarnations(const supervisor& s, const std::string& id) {
  const auto all = by_id(s);
  const auto known = all.find(id);
  return known == all.end() ? 0 : known->second.incarnations;
}

bool all_run(const supervisor& s, const std::string& below = {}) {
  const auto all = s.which_children(below);
  return std::all_of(all.begin(), all.end(),
                     [](const auto& c) { return c.status == child_status::running; });
}

caf::error reason_of(caf::scoped_actor& self, const caf::actor& whom) {
  caf::error reason = make_error(caf::sec::runtime_error);
  self->receive(
    [&](const caf::down_msg& d) { reason = d.source == whom.address() ? d.reason : reason; },
    caf::after(60s) >> [] { FAIL_CHECK("no down message"); });
  return reason;
}

} // namespace

TEST_CASE("strategy, restart type and exit reason decide together who is started again") {
  leak_guard guard;
  host_system host;
  pool workers{*host.system, some_workers(1)};
  caf::scoped_actor self{*host.system};
  for (const auto strategy : {restart_strategy::one_for_one, restart_strategy::one_for_all,
                              restart_strategy::rest_for_one})
    for (const auto type :
         {restart_type::permanent, restart_type::transient, restart_type::temporary})
      for (int how = 0; how < 3; ++how) {
        CAPTURE(to_string(strategy));
        CAPTURE(to_string(type));
        CAPTURE(how);
        supervisor s{workers, with(strategy), {lone("a"), lone("b", type), lone("c")}};
        const auto b = s.child("b");
        if (how == 0)
          self->send(b, caf::put_atom_v);
        else if (how == 1)
          self->send(b, caf::tick_atom_v);
        else
          self->send(b, caf::add_atom_v);
        const bool again =
          type == restart_type::permanent || (type == restart_type::transient && how == 2);
        if (again) {
          const bool c_too = strategy != restart_strategy::one_for_one;
          const bool a_too = strategy == restart_strategy::one_for_all;
          CHECK(eventually([&] { return incarnations(s, "b") == 2 && all_run(s); }));
          CHECK(incarnations(s, "a") == (a_too ? 2u : 1u));
          CHECK(incarnations(s, "c") == (c_too ? 2u : 1u));
          CHECK(ask<std::int32_t>(self, b, 41) == 42);
        } else {
          CHECK(eventually([&] {
            const auto all = by_id(s);
            return type == restart_type::temporary ? !all.contains("b")
                                                   : all.at("b").status == child_status::undefined;
          }));
          CHECK(incarnations(s, "a") == 1);
          CHECK(incarnations(s, "c") == 1);
        }
        CHECK(ask<std::int32_t>(self, s.child("a"), 1) == 2);
      }
}

TEST_CASE(
  "a handle survives its child: what waits goes to the next, what was begun hears the end") {
  leak_guard guard;
  host_system host;
  pool workers{*host.system, some_workers(1)};
  caf::scoped_actor self{*host.system};
  supervisor s{workers, with(restart_strategy::one_for_one), {lone("a")}};
  const auto a = s.child("a");
  const auto first = ask<std::int32_t>(self, a, caf::get_atom_v);
  auto hanging = self->request(a, caf::infinite, caf::flush_atom_v);
  CHECK(ask<std::int32_t>(self, a, 1) == 2); // so the one before has arrived
  ::kill(first, SIGKILL);
  std::optional<failure> why;
  hanging.receive([] {}, [&](const caf::error& e) { why = failure_of(e); });
  REQUIRE(why.has_value());
  CHECK(why->exit.signal == SIGKILL);
  CHECK(why->may_have_executed);
  const auto second = ask<std::int32_t>(self, a, caf::get_atom_v);
  CHECK(second != first);
  CHECK(s.child("a") == a);
  REQUIRE(eventually([&] { return incarnations(s, "a") == 2; }));
  std::vector<actor_info> seen;
  REQUIRE(eventually([&] {
    seen = workers.actors();
    return !seen.empty() && !seen.front().supervisor.empty();
  }));
  CHECK(seen.front().name == "a");
  CHECK(seen.front().restarts == 1);
  CHECK(seen.front().supervisor == "supervisor");
}

TEST_CASE(
  "a supervisor that restarts too often stops the others and says why; its own restarts it") {
  leak_guard guard;
  host_system host;
  pool workers{*host.system, some_workers(1)};
  caf::scoped_actor self{*host.system};
  for (const auto strategy : {restart_strategy::one_for_one, restart_strategy::one_for_all,
                              restart_strategy::rest_for_one}) {
    CAPTURE(to_string(strategy));
    auto outer = with(restart_strategy::one_for_one, 1);
    outer.within = 1h;
    outer.name = "top";
    auto inner = with(strategy, 0);
    inner.within = 1h;
    supervisor s{workers, outer, {{"inner", child(inner, {lone("x"), lone("y")})}, lone("beside")}};
    self->monitor(s.actor());
    const auto x = ask<std::int32_t>(self, s.child("inner/x"), caf::get_atom_v);
    const auto y = ask<std::int32_t>(self, s.child("inner/y"), caf::get_atom_v);
    self->send(s.child("inner/x"), caf::add_atom_v);
    REQUIRE(eventually([&] { return incarnations(s, "inner") == 2 && all_run(s); }));
    CHECK(ask<std::int32_t>(self, s.child("inner/x"), caf::get_atom_v) != x);
    CHECK(ask<std::int32_t>(self, s.child("inner/y"), caf::get_atom_v) != y);
    CHECK(incarnations(s, "beside") == 1);
    const auto n = s.count_children();
    CHECK(std::tuple{n.specs, n.active, n.supervisors, n.workers} == std::tuple{2u, 2u, 1u, 1u});
    self->send(s.child("inner/y"), caf::add_atom_v);
    const auto why = failure_of(reason_of(self, s.actor()));
    REQUIRE(why.has_value());
    CHECK(why->kind == failure_kind::pool_broken);
    CHECK(why->message.find("supervisor 'top' gave up: child 'inner'") != std::string::npos);
    CHECK(s.which_children().empty());
    CHECK_THROWS_AS(s.terminate_child("beside"), supervision_error);
  }
}

TEST_CASE("a child that does not start keeps nobody running, and a later one is only refused") {
  leak_guard guard;
  host_system host;
  pool workers{*host.system, some_workers(1)};
  caf::scoped_actor self{*host.system};
  try {
    supervisor s{workers, {}, {lone("a"), {"b", child(refusing)}}};
    FAIL_CHECK("it started");
  } catch (const supervision_error& e) {
    CHECK(e.fault() == supervision_fault::start_failed);
    CHECK(e.info().message.find("child 'b' did not start: ") != std::string::npos);
    CHECK(e.info().message.find("no table is free") != std::string::npos);
  }
  CHECK(eventually([&] { return workers.actors().empty(); }));
  supervisor s{workers, {}, {lone("a")}};
  try {
    s.start_child({"b", child(refusing)});
    FAIL_CHECK("it started");
  } catch (const supervision_error& e) {
    CHECK(e.fault() == supervision_fault::start_failed);
  }
  CHECK(s.count_children().specs == 1);
}

TEST_CASE("each kind of shutdown gives its child the exact reason") {
  leak_guard guard;
  host_system host;
  pool workers{*host.system, some_workers(1)};
  const auto reason_after_stop = [&](const child_spec& spec, bool busy) {
    caf::scoped_actor self{*host.system};
    supervisor s{workers, {}, {spec}};
    const auto now = s.which_children().front().incarnation;
    self->monitor(now);
    if (busy) {
      self->send(now, caf::flush_atom_v);
      CHECK(ask<std::int32_t>(self, now, 1) == 2);
    }
    s.stop();
    return reason_of(self, now);
  };
  CHECK(reason_after_stop(lone("a"), true) == caf::exit_reason::user_shutdown);
  CHECK(reason_after_stop({"a", child(player)}, false) == caf::exit_reason::user_shutdown);
  CHECK(reason_after_stop({"a", child(stubborn), {}, 20ms}, false) == caf::exit_reason::kill);
  CHECK(reason_after_stop({"a", child(player), {}, brutal_kill}, false) == caf::exit_reason::kill);
  CHECK(reason_after_stop({"a", child(player), {}, infinity}, false)
        == caf::exit_reason::user_shutdown);
}

TEST_CASE("monitors of a handle hear the end for good, not the restarts; it refuses afterwards") {
  leak_guard guard;
  host_system host;
  pool workers{*host.system, some_workers(1)};
  caf::scoped_actor self{*host.system};
  supervisor s{
    workers, with(restart_strategy::one_for_one), {lone("a"), lone("t", restart_type::temporary)}};
  const auto a = s.child("a");
  const auto t = s.child("t");
  self->monitor(a);
  self->send(a, caf::add_atom_v);
  REQUIRE(eventually([&] { return incarnations(s, "a") == 2; }));
  CHECK(ask<std::int32_t>(self, a, 1) == 2);
  s.terminate_child("a");
  bool refused = false;
  self->request(a, 60s, 1).receive(
    [](std::int32_t) {},
    [&](const caf::error& e) {
      refused = failure_of(e) && failure_of(e)->message.find("does not run") != std::string::npos;
    });
  CHECK(refused);
  s.delete_child("a");
  CHECK(reason_of(self, a) == caf::exit_reason::user_shutdown);
  self->monitor(t);
  self->send(t, caf::add_atom_v);
  const auto why = failure_of(reason_of(self, t));
  REQUIRE(why.has_value());
  CHECK(why->exit.signal == SIGKILL);
}

TEST_CASE("children come and go at run time, with OTP's answers") {
  leak_guard guard;
  host_system host;
  pool workers{*host.system, some_workers(1)};
  caf::scoped_actor self{*host.system};
  supervisor s{workers, {}, {}};
  const auto fault = [](auto f) {
    try {
      f();
    } catch (const supervision_error& e) {
      return std::string{to_string(e.fault())};
    }
    return std::string{"none"};
  };
  const auto a = s.start_child({"a", child(player)});
  CHECK(ask<std::int32_t>(self, a, 1) == 2);
  CHECK(fault([&] { s.start_child({"a", child(player)}); }) == "already_started");
  CHECK(fault([&] { s.restart_child("a"); }) == "running");
  CHECK(fault([&] { s.delete_child("a"); }) == "running");
  CHECK(fault([&] { s.terminate_child("x"); }) == "not_found");
  CHECK(fault([&] { s.child("x"); }) == "not_found");
  CHECK(fault([&] { s.child("x/y"); }) == "not_found");
  s.terminate_child("a");
  CHECK(s.which_children().front().status == child_status::undefined);
  CHECK(fault([&] { s.start_child({"a", child(player)}); }) == "already_present");
  CHECK(s.restart_child("a") == a);
  CHECK(ask<std::int32_t>(self, a, 2) == 3);
  s.terminate_child("a");
  s.delete_child("a");
  CHECK(s.count_children().specs == 0);
  s.stop();
  CHECK(fault([&] { s.start_child({"a", child(player)}); }) == "ended");
}

TEST_CASE(
  "a simple_one_for_one supervisor has any number of children, and forgets temporary ones") {
  leak_guard guard;
  host_system host;
  pool workers{*host.system, some_workers(2)};
  caf::scoped_actor self{*host.system};
  supervisor s{workers,
               with(restart_strategy::simple_one_for_one),
               {{"guest", child(player), restart_type::temporary}}};
  constexpr std::size_t guests = 200;
  std::vector<caf::actor> all;
  all.reserve(guests);
  for (std::size_t i = 0; i < guests; ++i)
    all.push_back(s.start_child());
  CHECK(s.count_children().active == guests);
  CHECK(ask<std::int32_t>(self, s.child("guest#7"), 1) == 2);
  for (std::size_t i = 0; i < guests / 2; ++i)
    self->send(all[i], caf::put_atom_v);
  CHECK(eventually([&] { return s.count_children().specs == guests - guests / 2; }));
  s.terminate_child("guest#150");
  CHECK(s.count_children().specs == guests - guests / 2 - 1);
  CHECK_THROWS_AS(s.start_child({"x", child(player)}), config_error);
  CHECK(ask<std::int32_t>(self, s.start_child(child(player)), 1) == 2);
}

TEST_CASE("children that lose their worker together are whole again, and count as one restart") {
  leak_guard guard;
  host_system host;
  pool workers{*host.system, some_workers(1)};
  caf::scoped_actor self{*host.system};
  std::vector<child_spec> specs;
  specs.reserve(40);
  for (int i = 0; i < 40; ++i)
    specs.push_back({std::to_string(i), child(player)});
  supervisor s{workers, with(restart_strategy::one_for_one, 1), specs};
  const auto pid = ask<std::int32_t>(self, s.child("0"), caf::get_atom_v);
  ::kill(pid, SIGKILL);
  CHECK(eventually([&] {
    const auto all = s.which_children();
    return std::all_of(all.begin(), all.end(), [](const auto& c) {
      return c.status == child_status::running && c.incarnations == 2;
    });
  }));
  for (int i = 0; i < 40; ++i)
    CHECK(ask<std::int32_t>(self, s.child(std::to_string(i)), 1) == 2);
}

TEST_CASE("kill of a handle ends the incarnation, and a host_child is supervised like others") {
  leak_guard guard;
  host_system host;
  pool workers{*host.system, some_workers(1)};
  caf::scoped_actor self{*host.system};
  supervisor s{
    workers,
    with(restart_strategy::one_for_one),
    {lone("a"), {"h", host_child([](caf::actor_system& system) { return system.spawn(player); })}}};
  bulkhead::kill(s.child("a"));
  CHECK(eventually([&] { return incarnations(s, "a") == 2 && all_run(s); }));
  CHECK(ask<std::int32_t>(self, s.child("h"), caf::get_atom_v) == ::getpid());
  self->send(s.child("h"), caf::put_atom_v);
  CHECK(eventually([&] { return incarnations(s, "h") == 2 && all_run(s); }));
  CHECK(ask<std::int32_t>(self, s.child("h"), 1) == 2);
}

TEST_CASE("events tell the whole story, in order") {
  leak_guard guard;
  host_system host;
  std::mutex mutex;
  std::string story;
  {
    pool workers{*host.system, some_workers(1)};
    auto options = with(restart_strategy::rest_for_one);
    options.name = "shop";
    options.on_event = [&](const supervision_event& e) {
      const std::lock_guard lock{mutex};
      story +=
        std::string{to_string(e.kind)} + ' ' + e.child + std::to_string(e.incarnation) + '\n';
    };
    supervisor s{workers, options, {lone("a"), lone("b")}};
    caf::scoped_actor self{*host.system};
    self->send(s.child("a"), caf::put_atom_v);
    REQUIRE(eventually([&] { return incarnations(s, "b") == 2 && all_run(s); }));
  }
  CHECK(eventually([&] {
    const std::lock_guard lock{mutex};
    return story.find("ended 0") != std::string::npos;
  }));
  const std::lock_guard lock{mutex};
  CHECK(story
        == "started a1\nstarted b1\nexited a1\nstopped b1\nstarted a2\nstarted b2\nstopped b2\n"
           "stopped a2\nended 0\n");
}

TEST_CASE("a supervisor outlives its pool in peace") {
  leak_guard guard;
  host_system host;
  caf::scoped_actor self{*host.system};
  std::optional<pool> workers{std::in_place, *host.system, some_workers(1)};
  supervisor s{*workers,
               with(restart_strategy::one_for_one),
               {lone("a"), {"in", child(with(restart_strategy::one_for_one), {lone("b")})}}};
  const auto a = s.child("a");
  self->monitor(a);
  workers.reset();
  const auto why = failure_of(reason_of(self, a));
  REQUIRE(why.has_value());
  CHECK(why->kind == failure_kind::pool_closed);
  CHECK_THROWS_AS(s.child("a"), supervision_error);
  s.stop();
}

TEST_CASE("faulty specs are refused all at once, and nothing is started") {
  leak_guard guard;
  host_system host;
  pool workers{*host.system, some_workers(1)};
  auto inner = with(restart_strategy::simple_one_for_one);
  inner.within = 0s;
  try {
    supervisor s{workers,
                 {},
                 {lone("a"),
                  lone("a"),
                  {"b", {}},
                  {"c/d", child(player)},
                  {"e", child(player).with(actor_options{.memory_limit = 1})},
                  {"in", child(inner, {})}}};
    FAIL_CHECK("it started");
  } catch (const config_error& e) {
    const std::string text = e.what();
    for (const auto* part :
         {"child 'a': another child has this id", "'supervisor/b': child_spec::start is empty",
          "the id 'c/d' contains '/'", "'supervisor/e': actor_options::memory_limit is 1",
          "supervisor 'supervisor/in':", "within is 0 ns", "has 0 child specs"})
      CHECK_MESSAGE(text.find(part) != std::string::npos, part);
  }
  CHECK(workers.workers().size() == 1); // that of tasks
}
