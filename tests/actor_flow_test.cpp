// ctest-timeout: 240
// ctest-label: fault
#include "actors/wire/outbox.hpp"
#include "actors/worker/stall_rule.hpp"
#include "tests/support/caf_spelling.hpp"
#include "tests/support/eventually.hpp"
#include "tests/support/host_system.hpp"
#include "tests/support/leak_guard.hpp"
#include "tests/support/memory_transport.hpp"

#include <bulkhead/actor.hpp>
#include <bulkhead/error.hpp>

#include <caf/actor_system.hpp>
#include <caf/event_based_actor.hpp>
#include <caf/scoped_actor.hpp>
#include <doctest/doctest.h>
#include <rapidcheck.h>

#include <cstring>
#include <map>
#include <string>
#include <vector>

namespace {

using namespace std::chrono_literals;
using bulkhead::actors::outbox;
using bulkhead::actors::stall_rule;
using bulkhead::tests::ask;
using bulkhead::tests::host_system;
using bulkhead::tests::leak_guard;
using bulkhead::tests::memory_transport;

/// A frame that names its lane and its number.
struct stamp {
  std::uint64_t lane = 0;
  std::uint64_t number = 0;
  std::uint64_t answer = 0;
};

outbox::item frame_of(const stamp& s) {
  outbox::item i;
  i.bytes.resize(sizeof s);
  std::memcpy(i.bytes.data(), &s, sizeof s);
  i.counted = s.answer == 0;
  i.overtakes = s.answer != 0;
  i.pair = {s.lane, 0, 1};
  return i;
}

std::vector<stamp> arrived(memory_transport& at) {
  std::vector<stamp> all;
  std::size_t popped = 0;
  at.pop(
    10'000,
    [&](std::span<const std::byte> piece) {
      stamp s;
      std::memcpy(&s, piece.data(), sizeof s);
      all.push_back(s);
    },
    popped);
  return all;
}

/// Sends on to the next in the circle, and counts what came.
caf::behavior flooder(caf::event_based_actor* self) {
  auto seen = std::make_shared<int>(0);
  auto waits = std::make_shared<caf::typed_response_promise<int>>();
  auto wanted = std::make_shared<int>(0);
  return {
    [self](const caf::actor& to, int count) {
      for (int i = 0; i < count; ++i)
        self->send(to, i);
      return count;
    },
    [=](int) {
      if (++*seen == *wanted)
        waits->deliver(*seen);
    },
    [=](caf::get_atom, int count) {
      *wanted = count;
      *waits = self->make_response_promise<int>();
      if (*seen >= count)
        waits->deliver(*seen);
      return *waits;
    },
  };
}

void flood_circle(std::size_t actors, int messages) {
  host_system host;
  caf::scoped_actor self{*host.system};
  bulkhead::pool_options options;
  options.workers = 1;
  options.actor_workers = actors;
  bulkhead::pool p{*host.system, options};
  std::vector<caf::actor> all;
  for (std::size_t i = 0; i < actors; ++i)
    all.push_back(p.spawn(bulkhead::placement::own_process, flooder));
  for (std::size_t i = 0; i < actors; ++i)
    self->send(all[i], all[(i + 1) % actors], messages);
  for (auto& a : all)
    self->request(a, 200s, caf::get_atom_v, messages)
      .receive([&](int seen) { CHECK(seen == messages); },
               [&](const caf::error& e) { FAIL_CHECK(host.system->render(e)); });
}

} // namespace

TEST_CASE("frames of one pair keep their order, and no answer waits for credit") {
  const bool good = rc::check("outbox", [](const std::vector<std::uint8_t>& wishes) {
    constexpr std::uint64_t window = 3;
    auto [out, in] = memory_transport::make();
    outbox box{*out, window, 1 << 20};
    std::map<std::uint64_t, std::uint64_t> sent;
    std::map<std::uint64_t, std::uint64_t> came;
    std::uint64_t granted = 0;
    const auto take = [&] {
      for (const auto& s : arrived(*in)) {
        RC_ASSERT(s.number == came[s.lane]++);
        granted += s.answer == 0;
      }
    };
    for (auto wish : wishes) {
      const std::uint64_t lane = wish & 3;
      const bool answer = (wish & 4) != 0;
      auto f = frame_of({lane, sent[lane]++, answer});
      box.push(f);
      if (answer) {
        take(); // without a grant: the peer waits for exactly this
        RC_ASSERT(came[lane] == sent[lane]);
      }
      if ((wish & 24) == 24) {
        take();
        in->grant(granted, 0);
        box.flush();
      }
    }
    for (std::size_t i = 0; i <= wishes.size(); ++i) {
      take();
      in->grant(granted, 0);
      box.flush();
    }
    take();
    RC_ASSERT(came == sent);
    RC_ASSERT(box.waiting() == 0u);
    RC_ASSERT(box.waiting_bytes() == 0u);
  });
  CHECK(good);
}

TEST_CASE("credit is counted in bytes too, and one frame may exceed it") {
  auto [out, in] = memory_transport::make();
  outbox box{*out, 1000, 2 * sizeof(stamp)};
  for (std::uint64_t i = 0; i < 5; ++i) {
    auto f = frame_of({0, i, 0});
    box.push(f);
  }
  CHECK(arrived(*in).size() == 2);
  CHECK(box.waiting() == 3);
  CHECK(box.waiting_bytes() == 3 * sizeof(stamp));
  in->grant(2, 2 * sizeof(stamp));
  box.flush();
  CHECK(arrived(*in).size() == 2);
}

TEST_CASE("a stalled worker never stops for good, reads up to its bound, and adds little") {
  const bool good = rc::check("stall_rule", [](const std::vector<std::uint16_t>& steps) {
    const stall_rule::bounds limits{.frames = 10, .bytes = 1000, .pause = 5ms, .behaviors = 2};
    stall_rule rule{limits};
    stall_rule::time_point now{};
    std::size_t read = 0;
    for (auto s : steps) {
      now += std::chrono::milliseconds{s & 3};
      const std::size_t waiting = (s >> 2) & 15;
      const auto turn = rule.next(waiting, 0, now, {1, 64});
      rule.did_read(turn.frames);
      if (waiting <= limits.frames) {
        RC_ASSERT(turn.frames == 1u && turn.behaviors == 64u);
        read = 0;
        continue;
      }
      RC_ASSERT(turn.behaviors <= limits.behaviors);
      RC_ASSERT(rule.resume_at() <= now + limits.pause);
      RC_ASSERT(turn.frames == 1u || read >= limits.frames);
      RC_ASSERT(turn.behaviors != 0u || rule.resume_at() > now);
      read += turn.frames;
      // After the pause it goes on, whatever was read.
      const auto later = stall_rule{rule}.next(waiting, 0, rule.resume_at(), {1, 64});
      RC_ASSERT(later.behaviors == limits.behaviors && later.frames == 1u);
    }
  });
  CHECK(good);
}

TEST_CASE("two workers that flood each other both get everything") {
  leak_guard guard;
  flood_circle(2, 100'000);
}

TEST_CASE("three workers that flood each other in a circle all get everything") {
  leak_guard guard;
  flood_circle(3, 50'000);
}

TEST_CASE("an actor that waits for an answer gets it, however many messages came before") {
  leak_guard guard;
  host_system host;
  caf::scoped_actor self{*host.system};
  bulkhead::pool_options options;
  options.workers = 1;
  bulkhead::pool p{*host.system, options};
  constexpr int total = 20'000; // beyond the credit of a worker
  auto source = p.spawn(flooder);
  auto neighbour = p.spawn(flooder);
  self->send(source, caf::actor_cast<caf::actor>(self), total);
  // Both skip the messages that stand in the mailbox, which gives no credit back.
  CHECK(ask<int>(self, source, caf::get_atom_v, 0) == 0);
  CHECK(ask<int>(self, neighbour, caf::get_atom_v, 0) == 0);
  int next = 0;
  bool in_order = true;
  // And the answer to the flood itself comes as a message behind them.
  while (next < total + 1) {
    bool timed_out = false;
    self->receive([&](int x) { in_order = in_order && x == next; },
                  caf::after(60s) >> [&] { timed_out = true; });
    REQUIRE_FALSE(timed_out);
    ++next;
  }
  CHECK(in_order);
}
