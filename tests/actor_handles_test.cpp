// ctest-timeout: 120
// ctest-label: fault
#include "tests/support/eventually.hpp"
#include "tests/support/host_system.hpp"
#include "tests/support/leak_guard.hpp"

#include "actors/caf/failure_error.hpp"
#include "actors/caf/worker_system.hpp"

#include <bulkhead/actor.hpp>
#include <bulkhead/error.hpp>

#include <caf/actor_registry.hpp>
#include <caf/event_based_actor.hpp>
#include <caf/scoped_actor.hpp>
#include <doctest/doctest.h>

#include <atomic>
#include <stdexcept>
#include <string>
#include <vector>

// Handles, requests, monitors and links between processes mean what they mean inside one.

namespace {

using namespace std::chrono_literals;
using bulkhead::tests::ask;
using bulkhead::tests::eventually;
using bulkhead::tests::host_system;
using bulkhead::tests::leak_guard;

struct tag {};
template <class Inspector>
auto inspect(Inspector& f, tag& x) {
  return bulkhead::tests::inspect_members(f, x);
}
BULKHEAD_MESSAGE(tag)

struct named_number {
  std::uint64_t number = 0;
  caf::node_id node;
};
template <class Inspector>
auto inspect(Inspector& f, named_number& x) {
  return bulkhead::tests::inspect_members(f, x, x.number, x.node);
}
BULKHEAD_MESSAGE(named_number)

#if BULKHEAD_CAF_0
struct undeclared {
  int x = 0;
};
template <class Inspector>
auto inspect(Inspector& f, undeclared& x) {
  return f(x.x);
}
#endif

caf::behavior mirror(caf::event_based_actor* self) {
  return {
    [](int x) { return x; }, [](const caf::actor& x) { return x; },
      [](const named_number& x) { return x; },
      [](const std::vector<caf::actor>& xs) { return static_cast<int>(xs.size()); },
      [self](caf::monitor_atom, const caf::actor& x) { self->monitor(x); },
      [](caf::put_atom, const std::string& text) { return static_cast<int>(text.size()); },
      [self](caf::spawn_atom) {
        return caf::actor{self->spawn(
          [](caf::event_based_actor*) -> caf::behavior { return {[](int x) { return x; }}; })};
      },
      [self](caf::close_atom) {
        auto child = caf::actor{self->spawn([](caf::event_based_actor* me) { me->quit(); })};
        return child;
      },
      [self](caf::ok_atom, const caf::actor& other, int x) { return self->delegate(other, x); },
      [self](caf::flush_atom, int levels) {
        caf::error e = make_error(caf::sec::runtime_error);
        for (int i = 0; i < levels; ++i)
          e = make_error(caf::sec::runtime_error, std::move(e));
        return e;
      },
      [](caf::tick_atom, int count) { return std::vector<tag>(static_cast<std::size_t>(count)); },
#if BULKHEAD_CAF_0
      [](caf::get_atom) { return undeclared{1}; },
#endif
  };
}

caf::behavior throws(caf::event_based_actor* self) {
  return {
    [](const std::string& text) -> int { throw std::out_of_range(text); },
    [self](caf::spawn_atom) { return caf::actor{self->spawn(throws)}; },
  };
}

caf::behavior twice(caf::event_based_actor*) {
  return {[](int x) { return 2 * x; }};
}
caf::behavior plus_one(caf::event_based_actor*) {
  return {[](int x) { return x + 1; }};
}

caf::behavior holds(caf::event_based_actor*, const std::string& text) {
  return {[n = text.size()](int) { return static_cast<int>(n); }};
}

bulkhead::pool_options small(std::size_t actor_workers = 1) {
  bulkhead::pool_options o;
  o.workers = 1;
  o.actor_workers = actor_workers;
  return o;
}

caf::actor ended(host_system& h) {
  caf::scoped_actor self{*h.system};
  auto a = h.system->spawn(twice);
  self->monitor(a);
  self->send_exit(a, caf::exit_reason::user_shutdown);
  self->receive([](const caf::down_msg&) {});
  return a;
}

template <class... Ts>
caf::error error_of(caf::scoped_actor& self, const caf::actor& whom, Ts&&... xs) {
  caf::error result;
  self->request(whom, 60s, std::forward<Ts>(xs)...)
    .receive([](const caf::message&) {}, [&](const caf::error& e) { result = e; });
  return result;
}

/// Waits for the DOWN of `whom`.
caf::error reason_of(caf::scoped_actor& self, const caf::actor& whom) {
  self->monitor(whom);
  caf::error reason;
  bool told = false;
  self->receive(
    [&](const caf::down_msg& d) {
      told = true;
      reason = d.reason;
    },
    caf::after(60s) >> [] {});
  CHECK(told);
  return reason;
}

} // namespace

TEST_CASE("the handle of an ended actor crosses, comes home as itself, and is down everywhere") {
  const leak_guard guard;
  host_system h;
  bulkhead::pool p{*h.system, small()};
  const auto m = p.spawn(mirror);
  caf::scoped_actor self{*h.system};
  for (int i = 0; i < 5; ++i) {
    const auto dead = ended(h);
    const auto back = ask<caf::actor>(self, m, dead);
    CHECK(back == dead);
    CHECK(reason_of(self, back) == caf::exit_reason::user_shutdown);
    self->send(m, caf::monitor_atom_v, dead);
    CHECK(ask<int>(self, m, std::vector<caf::actor>{dead, m, dead}) == 2 + 1);
  }
  CHECK(ask<int>(self, m, 7) == 7);
}

TEST_CASE("the handle of a worker's ended child is down, not null, in the host and back home") {
  const leak_guard guard;
  host_system h;
  bulkhead::pool p{*h.system, small()};
  const auto m = p.spawn(mirror);
  caf::scoped_actor self{*h.system};
  for (int i = 0; i < 30; ++i) {
    const auto child = ask<caf::actor>(self, m, caf::close_atom_v);
    REQUIRE(child);
    reason_of(self, child);
    CHECK(ask<caf::actor>(self, m, child) == child);
  }
}

TEST_CASE("handles that are named and given back all the time never cost a worker") {
  const leak_guard guard;
  host_system h;
  bulkhead::pool p{*h.system, small()};
  const auto m = p.spawn(mirror);
  const auto kept = h.system->spawn(twice);
  caf::scoped_actor self{*h.system};
  for (int i = 0; i < 1500; ++i) {
    self->send(m, kept);
    const auto brief = h.system->spawn(twice);
    self->send(m, brief);
    if (i % 3 == 0)
      self->send_exit(brief, caf::exit_reason::kill);
  }
  CHECK(ask<int>(self, m, 7) == 7);
  CHECK(ask<caf::actor>(self, m, kept) == kept);
  CHECK(ask<int>(self, kept, 4) == 8);
}

TEST_CASE("a number in front of a node id is no handle and arrives as it was") {
  const leak_guard guard;
  host_system h;
  bulkhead::pool p{*h.system, small()};
  const auto m = p.spawn(mirror);
  caf::scoped_actor self{*h.system};
  const named_number sent{self->id(), h.system->node()};
  const auto back = ask<named_number>(self, m, sent);
  CHECK(back.number == sent.number);
  CHECK(back.node == sent.node);
}

TEST_CASE("a handle inside an exit reason crosses like any other") {
  const leak_guard guard;
  host_system h;
  bulkhead::pool p{*h.system, small()};
  const auto m = p.spawn(mirror);
  caf::scoped_actor self{*h.system};
  const auto named = h.system->spawn(twice);
  const auto doomed = h.system->spawn(plus_one);
  self->send(m, caf::monitor_atom_v, doomed);
  CHECK(ask<int>(self, m, 1) == 1);
  caf::anon_send(doomed,
                 caf::exit_msg{self->address(), make_error(caf::sec::runtime_error, named)});
  CHECK(ask<int>(self, m, 2) == 2);
  CHECK(ask<caf::actor>(self, m, named) == named);
  CHECK(ask<int>(self, m, 3) == 3);
}

#if BULKHEAD_CAF_0
TEST_CASE("an answer that cannot be encoded is an error that names it, and the responder lives") {
  const leak_guard guard;
  host_system h;
  bulkhead::pool p{*h.system, small()};
  const auto m = p.spawn(mirror);
  caf::scoped_actor self{*h.system};
  const auto f = bulkhead::actors::failure_of(error_of(self, m, caf::get_atom_v));
  REQUIRE(f);
  CHECK(f->kind == bulkhead::failure_kind::codec);
  CHECK(f->message.find("undeclared") != std::string::npos);
  CHECK(ask<int>(self, m, 7) == 7);
}

TEST_CASE("composed actors mean the same, whoever is where") {
  const leak_guard guard;
  host_system h;
  bulkhead::pool p{*h.system, small(2)};
  caf::scoped_actor self{*h.system};
  const std::vector<caf::actor> f{h.system->spawn(twice), p.spawn(twice)};
  const std::vector<caf::actor> g{h.system->spawn(plus_one), p.spawn(plus_one)};
  for (const auto& outer : f)
    for (const auto& inner : g) {
      CHECK(ask<int>(self, outer * inner, 10) == 22);
      CHECK(ask<int>(self, outer * inner * outer, 10) == 42);
    }
  CHECK(error_of(self, f[0] * g[1], std::string{"no number"}) == caf::sec::unexpected_message);
  for (const auto& list : {f, g})
    for (const auto& a : list)
      CHECK(ask<int>(self, a, 1) == 2);
}
#endif

TEST_CASE("arguments that are too large are refused, and the worker and its actors live") {
  const leak_guard guard;
  host_system h;
  bulkhead::pool p{*h.system, small()};
  const auto m = p.spawn(mirror);
  CHECK_THROWS_AS(p.spawn(holds, std::string((std::size_t{256} << 20) + 1, 'x')),
                  bulkhead::too_large);
  caf::scoped_actor self{*h.system};
  CHECK(ask<int>(self, m, 7) == 7);
}

TEST_CASE("a worker's error that is nested a thousandfold costs the worker, never the host") {
  const leak_guard guard;
  host_system h;
  bulkhead::pool p{*h.system, small()};
  const auto m = p.spawn(mirror);
  caf::scoped_actor self{*h.system};
  CHECK(error_of(self, m, caf::flush_atom_v, 10) == caf::sec::runtime_error);
  const auto f = bulkhead::actors::failure_of(error_of(self, m, caf::flush_atom_v, 1000));
  REQUIRE(f);
  CHECK(f->exit.cause == bulkhead::exit_cause::bad_message);
}

TEST_CASE("elements without bytes are bounded before they are made") {
  const leak_guard guard;
  host_system h;
  bulkhead::pool p{*h.system, small()};
  const auto m = p.spawn(mirror);
  caf::scoped_actor self{*h.system};
  CHECK(ask<std::vector<tag>>(self, m, caf::tick_atom_v, 1000).size() == 1000);
  const auto f = bulkhead::actors::failure_of(error_of(self, m, caf::tick_atom_v, 10'000'000));
  REQUIRE(f);
  CHECK(f->exit.cause == bulkhead::exit_cause::bad_message);
}

TEST_CASE("a worker's node id is made of the host's and a number that comes once") {
  using bulkhead::actors::node_for;
  const leak_guard guard;
  host_system h;
  const auto host = h.system->node();
  CHECK(node_for(host, 1) == node_for(host, 1));
  CHECK(node_for(host, 1) != node_for(host, 2));
  CHECK(node_for(host, 1) != host);
  bulkhead::pool p{*h.system, small(2)};
  const auto first = p.spawn(mirror);
  const auto second = p.spawn(mirror);
  CHECK(first->node() != second->node());
#if BULKHEAD_CAF_0
  CHECK(first->node() == node_for(host, 1));
  CHECK(second->node() == node_for(host, 2));
#endif
}

#if BULKHEAD_CAF_0
TEST_CASE("an exception in a behaviour, or in a child's, keeps its type and its text") {
  const leak_guard guard;
  host_system h;
  bulkhead::pool p{*h.system, small()};
  caf::scoped_actor self{*h.system};
  auto a = p.spawn(throws);
  const auto child = ask<caf::actor>(self, a, caf::spawn_atom_v);
  for (const auto& whom : {child, a}) {
    const auto f = bulkhead::actors::failure_of(error_of(self, whom, std::string{"no such row"}));
    REQUIRE(f);
    CHECK(f->kind == bulkhead::failure_kind::task_exception);
    CHECK(f->type == "std::out_of_range");
    CHECK(f->message == "no such row");
  }
}
#endif

TEST_CASE("a monitor and a link keep no actor, and tell of its end") {
  const leak_guard guard;
  host_system h;
  bulkhead::pool p{*h.system, small(2)};
  const auto m = p.spawn(mirror);
  const auto other = p.spawn(mirror);
  caf::scoped_actor self{*h.system};
  auto child = ask<caf::actor>(self, m, caf::spawn_atom_v);
  auto unlinked = ask<caf::actor>(self, m, caf::spawn_atom_v);
  auto shown = ask<caf::actor>(self, m, caf::spawn_atom_v);
  self->send(other, caf::monitor_atom_v, shown);
  CHECK(ask<int>(self, other, 1) == 1);
  std::atomic<int> over = 0;
  for (auto* a : {&child, &unlinked, &shown})
    (*a)->attach_functor([&over] { ++over; });
  self->monitor(child);
  self->monitor(unlinked);
  self->demonitor(unlinked);
  const auto address = child.address();
  child = nullptr;
  unlinked = nullptr;
  shown = nullptr;
  bool told = false;
  self->receive([&](const caf::down_msg& d) { told = d.source == address; },
                caf::after(60s) >> [] {});
  CHECK(told);
  CHECK(eventually([&] { return over == 3; }));
}

TEST_CASE("a process of its own ends with the last handle of its actor") {
  const leak_guard guard;
  host_system h;
  bulkhead::pool p{*h.system, small()};
  std::atomic<int> over = 0;
  auto a = p.spawn(bulkhead::placement::own_process, mirror);
  caf::scoped_actor self{*h.system};
  CHECK(ask<int>(self, a, 7) == 7);
  a->attach_functor([&over] { ++over; });
  a = nullptr;
  CHECK(eventually([&] { return over == 1; }));
}
