// ctest-timeout: 120
#include "tests/support/eventually.hpp"
#include "tests/support/link_world.hpp"

#include "actors/caf/proxy.hpp"
#include "actors/caf/verbs.hpp"

#include <caf/event_based_actor.hpp>
#include <caf/scoped_actor.hpp>
#include <doctest/doctest.h>

#include <barrier>
#include <cstring>
#include <string>

// What may go before what on a link, and what each frame gives back.

namespace {

using namespace bulkhead;
using namespace bulkhead::tests;

/// What the other end of a channel has got, as text.
std::vector<std::string> arrived(memory_transport& port) {
  std::vector<std::string> all;
  std::size_t popped = 0;
  port.pop(
    100,
    [&](std::span<const std::byte> piece) {
      all.emplace_back(reinterpret_cast<const char*>(piece.data()), piece.size());
    },
    popped);
  return all;
}

void push(actors::outbox& box, const std::string& text, bool counted, bool overtakes,
          actors::outbox::lane pair) {
  actors::outbox::item item;
  const auto* raw = reinterpret_cast<const actors::byte_buf::value_type*>(text.data());
  item.bytes.assign(raw, raw + text.size());
  item.counted = counted;
  item.overtakes = overtakes;
  item.pair = pair;
  box.push(item);
}

/// Sends as much as it is told to, to whom it is told.
caf::behavior sender(caf::event_based_actor* self) {
  return {
    [self](caf::put_atom, const caf::actor& to, int count) {
      for (int i = 0; i < count; ++i)
        actors::tell(self, to, i);
    },
    [](int x) { return x; },
  };
}

caf::behavior counter(caf::event_based_actor*, std::atomic<int>* count) {
  return {[count](int) { ++*count; }};
}

/// The frames that came, whole: none of these tests sends larger ones.
std::vector<actors::frame_header> headers(memory_transport& port) {
  const auto frames = arrived(port);
  std::vector<actors::frame_header> all;
  all.reserve(frames.size());
  for (const auto& text : frames) {
    actors::frame_header h;
    REQUIRE(text.size() >= sizeof h);
    std::memcpy(&h, text.data(), sizeof h);
    all.push_back(h);
  }
  return all;
}

} // namespace

TEST_CASE("the start of an actor that overtakes leaves every other control frame in its place") {
  const auto ends = memory_transport::make();
  actors::outbox box{*ends.first, 1, 1 << 20};
  const actors::outbox::lane pair{7, 0, 9};
  push(box, "first", true, false, pair);
  push(box, "second", true, false, pair);
  push(box, "end of the sender", false, false, {});
  push(box, "a handle back", false, false, {});
  push(box, "started", false, true, {});
  CHECK(arrived(*ends.second) == std::vector<std::string>{"first", "started"});
  ends.second->grant(1, 5);
  CHECK(box.flush());
  CHECK(arrived(*ends.second)
        == std::vector<std::string>{"second", "end of the sender", "a handle back"});
}

TEST_CASE("an answer that overtakes takes along what its sender sent to the same receiver") {
  const auto ends = memory_transport::make();
  actors::outbox box{*ends.first, 1, 1 << 20};
  const actors::outbox::lane pair{7, 0, 9};
  push(box, "first", true, false, pair);
  push(box, "to another", true, false, {7, 0, 10});
  push(box, "second", true, false, pair);
  push(box, "end of somebody", false, false, {});
  push(box, "answer", false, true, pair);
  CHECK(arrived(*ends.second) == std::vector<std::string>{"first", "second", "answer"});
  ends.second->grant(2, 11);
  CHECK(box.flush());
  CHECK(arrived(*ends.second) == std::vector<std::string>{"to another", "end of somebody"});
}

TEST_CASE("messages to an actor that has ended give their credit back") {
  actors::link_limits limits;
  limits.grants = true;
  link_world w{1, limits, actors::engine::in_loop, 16};
  w.makers[1] = [](caf::actor_system& s) {
    return caf::actor_cast<caf::strong_actor_ptr>(s.spawn(sender));
  };
  w.start();
  const auto remote = w.spawn(1, 1);
  caf::scoped_actor self{*w.system};
  std::atomic<int> count = 0;
  const auto ended = w.system->spawn(counter, &count);
  self->monitor(ended);
  caf::anon_send_exit(ended, caf::exit_reason::kill);
  self->receive([](const caf::down_msg&) {});
  actors::tell(&*self, remote, caf::put_atom_v, ended, 100); // six windows
  const auto living = w.system->spawn(counter, &count);
  actors::tell(&*self, remote, caf::put_atom_v, living, 100);
  CHECK(eventually([&] { return count == 100; }));
  CHECK(w.bad == 0);
  caf::anon_send_exit(living, caf::exit_reason::kill);
}

TEST_CASE("no frame names a process before the peer has been told of it") {
  link_world w{0};
  REQUIRE(w.edge->know(1, actors::node_for(w.system->node(), 1)));
  const auto named = w.edge->proxy_for({1, 5}, false);
  REQUIRE(named);
  auto* const who = named->get();
  int too_early = 0;
  for (actors::peer_id peer = 2; peer < 400; ++peer) {
    const auto ends = memory_transport::make();
    const auto link = w.edge->connect(peer, ends.first, {});
    std::barrier start{2};
    const auto name = [&] {
      start.arrive_and_wait();
      w.edge->notify(actors::frame_kind::link, {peer, 1}, who, 0);
    };
    std::thread other{name};
    name();
    other.join();
    bool told = false;
    for (const auto& h : headers(*ends.second)) {
      told = told || h.kind == static_cast<std::uint8_t>(actors::frame_kind::node);
      too_early += told ? 0 : 1;
    }
    CHECK(told);
    w.edge->fail(*link, actors::to_error(actors::death_of(1, {.signal = 9}, true)));
  }
  CHECK(too_early == 0);
}
