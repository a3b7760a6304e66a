// ctest-timeout: 120
#include "tests/support/eventually.hpp"
#include "tests/support/host_system.hpp"
#include "tests/support/leak_guard.hpp"
#include "tests/support/link_world.hpp"

#include "actors/border/exports.hpp"
#include "actors/border/handle_scan.hpp"
#include "actors/caf/proxy.hpp"

#include <bulkhead/actor.hpp>
#include <bulkhead/error.hpp>

#include <caf/event_based_actor.hpp>
#include <caf/scoped_actor.hpp>
#include <doctest/doctest.h>

#include <atomic>
#include <cstdint>
#include <stdexcept>
#include <string>

// What a message does that one side cannot read, or that says more than it may: it costs itself,
// and leaves nothing counted on one side only.

namespace refusing {

/// Can be written, and not be read again.
struct one_way {
  int value = 0;
};
template <class Inspector>
auto inspect(Inspector& f, one_way& x) {
#if BULKHEAD_CAF_0
  if constexpr (Inspector::writes_state)
#else
  if constexpr (Inspector::is_loading)
#endif
    throw std::invalid_argument("not to be read");
  return bulkhead::tests::inspect_members(f, x, x.value);
}

} // namespace refusing

BULKHEAD_MESSAGE(refusing::one_way)

namespace {

using namespace std::chrono_literals;
using namespace bulkhead::tests;
using refusing::one_way;

bulkhead::pool_options small(std::size_t actor_workers = 1) {
  bulkhead::pool_options o;
  o.workers = 1;
  o.actor_workers = actor_workers;
  return o;
}

#if BULKHEAD_CAF_0
struct undeclared {
  int value = 0;
};
template <class Inspector>
auto inspect(Inspector& f, undeclared& x) {
  return f(x.value);
}
#endif

caf::behavior reader(caf::event_based_actor* self) {
  return {
    [](int x) { return x; }, [](caf::get_atom) { return one_way{1}; },
      [](const one_way&, const caf::actor&) {}, [](caf::put_atom, const caf::actor&) {},
      [self](caf::link_atom, const caf::actor& whom, const caf::actor& listener) {
        bulkhead::actors::watch(self, whom, [self, listener](const caf::error&) {
          bulkhead::actors::tell(self, listener, caf::ok_atom_v);
        });
        return true;
      },
      [self](caf::close_atom) { self->quit(make_error(caf::sec::runtime_error, one_way{1})); },
#if BULKHEAD_CAF_0
      [](caf::flush_atom) -> caf::result<int> {
        return make_error(caf::sec::runtime_error, undeclared{1});
      },
#endif
  };
}

caf::behavior holds(caf::event_based_actor*, const one_way&, const caf::actor&) {
  return {[](int x) { return x; }};
}

/// Says when it has ended.
caf::behavior mortal(caf::event_based_actor* self, std::atomic<bool>* gone) {
  self->attach_functor([gone] { *gone = true; });
  return {[self](caf::close_atom) { self->quit(make_error(caf::sec::runtime_error, one_way{2})); }};
}

template <class... Ts>
caf::error error_of(caf::scoped_actor& self, const caf::actor& whom, Ts&&... xs) {
  caf::error result;
  self->request(whom, 20s, std::forward<Ts>(xs)...)
    .receive([](const caf::message&) {}, [&](const caf::error& e) { result = e; });
  return result;
}

/// A link of a host whose other end the test writes itself.
struct forged_peer {
  forged_peer() : link(world.edge->connect(2, ends.first, {})) {
    REQUIRE(world.edge->know(2, bulkhead::actors::node_for(world.system->node(), 2)));
  }
  void say(const caf::strong_actor_ptr& to, caf::message_id mid) {
    using namespace bulkhead::actors;
    byte_buf buf;
    begin_frame(buf);
    resolve_handle none;
    std::string why;
    REQUIRE(codec{*world.system, none}.encode(buf, caf::make_message(7), why));
    finish_frame(
      buf, frame_kind::message,
      {.source_peer = 2, .dest_peer = 0, .dest_actor = to->id(), .id = mid.integer_value()});
    REQUIRE(ends.second->try_push(as_bytes(buf)));
  }
  bool read() {
    std::size_t popped = 0;
    return world.edge->receive(*link, 100, popped);
  }
  ~forged_peer() {
    using namespace bulkhead;
    world.edge->fail(*link, actors::to_error(actors::death_of(1, {.signal = 9}, true)));
  }

  link_world world{0};
  memory_transport::pair ends = memory_transport::make();
  std::shared_ptr<bulkhead::actors::link> link;
};

} // namespace

TEST_CASE("handles in a message that a worker cannot read are given back") {
  const leak_guard guard;
  host_system h;
  bulkhead::pool p{*h.system, small()};
  const auto there = p.spawn(reader);
  std::atomic<bool> gone = false;
  caf::scoped_actor self{*h.system};
  {
    const auto named = h.system->spawn(mortal, &gone);
    const auto f = bulkhead::failure_of(error_of(self, there, one_way{1}, named));
    REQUIRE(f);
    CHECK(f->kind == bulkhead::failure_kind::codec);
  }
  CHECK(eventually([&] { return gone.load(); }));
  CHECK(ask<int>(self, there, 7) == 7);
}

TEST_CASE("handles in the arguments of an actor that cannot be started are given back") {
  const leak_guard guard;
  host_system h;
  bulkhead::pool p{*h.system, small()};
  const auto there = p.spawn(reader);
  std::atomic<bool> gone = false;
  {
    const auto named = h.system->spawn(mortal, &gone);
    CHECK_THROWS_AS(p.spawn(holds, one_way{1}, named), bulkhead::error);
  }
  CHECK(eventually([&] { return gone.load(); }));
  caf::scoped_actor self{*h.system};
  CHECK(ask<int>(self, there, 7) == 7);
}

TEST_CASE("an answer that the host cannot read costs that answer, not the worker") {
  const leak_guard guard;
  host_system h;
  bulkhead::pool p{*h.system, small()};
  const auto there = p.spawn(reader);
  caf::scoped_actor self{*h.system};
  const auto f = bulkhead::failure_of(error_of(self, there, caf::get_atom_v));
  REQUIRE(f);
  CHECK(f->kind == bulkhead::failure_kind::codec);
  CHECK(f->message.find("not to be read") != std::string::npos);
  CHECK(ask<int>(self, there, 7) == 7);
  CHECK(p.stats().bad_messages == 0);
}

TEST_CASE("an end whose reason cannot be read is heard all the same, on both sides") {
  const leak_guard guard;
  host_system h;
  bulkhead::pool p{*h.system, small()};
  const auto watcher = p.spawn(reader);
  const auto quits = p.spawn(reader);
  caf::scoped_actor self{*h.system};
  std::atomic<bool> gone = false;
  const auto here = h.system->spawn(mortal, &gone);
  CHECK(ask<bool>(self, watcher, caf::link_atom_v, here, caf::actor{self}));
  bulkhead::actors::tell(&*self, here, caf::close_atom_v);
  self->receive([](caf::ok_atom) {},
                caf::after(20s) >> [] { FAIL_CHECK("the worker's actor heard of no end"); });
  self->monitor(quits);
  bulkhead::actors::tell(&*self, quits, caf::close_atom_v);
  self->receive([](const caf::down_msg&) {},
                caf::after(20s) >> [] { FAIL_CHECK("the host's actor heard of no end"); });
  CHECK(ask<int>(self, watcher, 7) == 7);
}

#if BULKHEAD_CAF_0
TEST_CASE("a type inside an error that nobody has declared is named, and costs no worker") {
  const leak_guard guard;
  host_system h;
  bulkhead::pool p{*h.system, small()};
  const auto there = p.spawn(reader);
  caf::scoped_actor self{*h.system};
  const auto f = bulkhead::failure_of(error_of(self, there, caf::flush_atom_v));
  REQUIRE(f);
  CHECK(f->kind == bulkhead::failure_kind::codec);
  CHECK(f->message.find("undeclared") != std::string::npos);
  CHECK(ask<int>(self, there, 7) == 7);
}
#endif

TEST_CASE("answers that nobody waits for go no further than the host's border") {
  forged_peer peer;
  caf::scoped_actor self{*peer.world.system};
  const auto to = caf::actor_cast<caf::strong_actor_ptr>(self);
  peer.link->exported.add({0, to->id()}, to);
  for (int i = 1; i <= 10; ++i)
    peer.say(to, bulkhead::actors::request_mid(static_cast<std::uint64_t>(i)).response_id());
  CHECK(peer.read());
  CHECK_FALSE(self->has_next_message());
}

TEST_CASE("a link that has ended keeps no actor that is named to it later") {
  host_system h;
  bulkhead::actors::exports table;
  CHECK(table.take().empty());
  caf::scoped_actor self{*h.system};
  table.add({0, self->id()}, caf::actor_cast<caf::strong_actor_ptr>(self));
  CHECK(table.size() == 0);
}

TEST_CASE("hundred thousand handles in one message are found in time linear in their bytes") {
  using namespace bulkhead::actors;
  byte_buf node(27);
  for (std::size_t i = 0; i < node.size(); ++i)
    node[i] = static_cast<byte_buf::value_type>(i + 1);
  handle_scan scan;
  scan.add(3, node);
  constexpr std::uint64_t handles = 100'000;
  byte_buf message;
  message.reserve(handles * (8 + node.size()));
  for (std::uint64_t id = 1; id <= handles; ++id) {
    for (int shift = 56; shift >= 0; shift -= 8)
      message.push_back(static_cast<byte_buf::value_type>(id >> shift));
    message.insert(message.end(), node.begin(), node.end());
  }
  const auto found = scan.of(as_bytes(message), 3);
  CHECK(found.size() == handles);
  CHECK(found.back().actor == handles);
}
