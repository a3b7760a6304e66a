#include "runtime/dispatch/turn_watch.hpp"

#include <doctest/doctest.h>
#include <rapidcheck.h>

#include <algorithm>
#include <map>
#include <optional>

namespace {

using namespace std::chrono_literals;
using bulkhead::exit_cause;
using bulkhead::runtime::turn_facts;
using bulkhead::runtime::turn_watch;
using time_point = turn_watch::time_point;

constexpr time_point begin{1h};

turn_facts idle(std::uint64_t beat) {
  turn_facts f;
  f.beat = beat;
  return f;
}

turn_facts turn_of(std::uint64_t actor, std::uint64_t turn, time_point since) {
  turn_facts f;
  f.runs = true;
  f.actor = actor;
  f.turn = turn;
  f.since = since;
  return f;
}

} // namespace

TEST_CASE("a message that takes longer than its limit ends its actor, and no shorter one does") {
  turn_watch w{{0ns, 1s, 0, 0ns}, begin};
  const auto first = w.look(turn_of(7, 1, begin), begin + 100ms);
  CHECK(first.kill == exit_cause::none);
  CHECK(first.look_again == begin + 1s);
  CHECK(w.look(turn_of(7, 3, begin + 900ms), begin + 1s).look_again == begin + 1900ms);
  const auto last = w.look(turn_of(7, 3, begin + 900ms), begin + 1900ms);
  CHECK(last.kill == exit_cause::timed_out);
  CHECK(last.why == "actor 7 worked at one message for 1000 ms, its limit is 1000 ms");
  CHECK(w.culprits() == std::vector<std::uint64_t>{7});
}

TEST_CASE("an actor's own limit goes before the general one, and the start of an actor has none") {
  turn_watch w{{0ns, 10s, 0, 0ns}, begin};
  w.limit(4, 50ms);
  CHECK(w.look(turn_of(5, 1, begin), begin + 60ms).kill == exit_cause::none);
  CHECK(w.look(turn_of(0, 3, begin), begin + 110ms).kill == exit_cause::none);
  CHECK(w.look(turn_of(4, 5, begin + 100ms), begin + 160ms).kill == exit_cause::timed_out);
}

TEST_CASE("who is condemned and ends in time costs nobody anything") {
  turn_watch w{{}, begin};
  CHECK(w.condemn(3, begin + 2s));
  CHECK_FALSE(w.condemn(3, begin + 1s));
  CHECK(w.look(idle(1), begin).look_again == begin + 1s);
  w.ended(3);
  CHECK(w.look(idle(1), begin + 1s).kill == exit_cause::none);
  w.condemn(4, begin + 3s);
  CHECK(w.look(idle(1), begin + 3s).kill == exit_cause::killed);
  CHECK(w.culprits() == std::vector<std::uint64_t>{4});
}

TEST_CASE("memory is nobody's, silence is the whole worker's, and age only turns actors away") {
  turn_watch fat{{0ns, 0ns, 64 << 20, 0ns}, begin};
  auto f = idle(1);
  f.resident_bytes = 400 << 20;
  f.inherited_bytes = 350 << 20;
  CHECK(fat.look(f, begin).kill == exit_cause::none);
  f.resident_bytes = 420 << 20;
  f.ready = false; // nobody knows yet what it was born with
  CHECK(fat.look(f, begin).kill == exit_cause::none);
  f.ready = true;
  const auto v = fat.look(f, begin + 1s);
  CHECK(v.kill == exit_cause::memory_limit);
  CHECK(v.why == "it took 70 MiB, its limit is 64 MiB");
  CHECK(fat.culprits().empty());

  turn_watch slow{{0ns, 0ns, 0, 0ns, 1s}, begin};
  auto unready = idle(1);
  unready.ready = false;
  CHECK(slow.look(unready, begin).look_again == begin + 1s);
  CHECK(slow.look(unready, begin + 1s).kill == exit_cause::start_failed);

  turn_watch still{{1s, 0ns, 0, 0ns}, begin};
  auto at = begin;
  auto last = still.look(idle(1), at);
  for (int i = 0; i < 10 && last.kill == exit_cause::none; ++i) {
    at = last.look_again;
    last = still.look(idle(1), at);
  }
  CHECK(last.kill == exit_cause::unresponsive);
  CHECK(at == begin + 1s);

  turn_watch old{{0ns, 0ns, 0, 1s}, begin};
  CHECK(old.look(idle(1), begin).look_again == begin + 1s);
  CHECK(old.retired(begin + 1s));
  CHECK(old.look(idle(1), begin + 1s).kill == exit_cause::none);
}

TEST_CASE("what passed while the host itself stood still counts against nobody") {
  turn_watch w{{1s, 2s, 0, 0ns}, begin};
  w.condemn(9, begin + 2s);
  CHECK(w.look(turn_of(8, 1, begin), begin).kill == exit_cause::none);
  CHECK(w.look(turn_of(8, 1, begin), begin + 1min).kill == exit_cause::none);
  // It still comes to its end.
  auto at = begin + 1min;
  auto last = exit_cause::none;
  for (std::uint64_t beat = 2; beat < 100 && last == exit_cause::none; ++beat) {
    auto facts = turn_of(8, 1, begin);
    facts.beat = beat;
    at += 100ms;
    last = w.look(facts, at).kill;
  }
  CHECK(last != exit_cause::none);
}

// Random histories of turns, ends, wishes and looks at the times that the watch asks for.
TEST_CASE("over random histories: nobody ends before his time, everybody ends soon after it") {
  CHECK(rc::check([] {
    const auto general = std::chrono::milliseconds(*rc::gen::inRange(0, 40) * 25);
    turn_watch w{{0ns, general, 0, 0ns}, begin};
    std::map<std::uint64_t, time_point> condemned;
    std::map<std::uint64_t, std::chrono::milliseconds> own;
    turn_facts facts = idle(1);
    auto now = begin;
    auto due = w.look(facts, now).look_again;
    for (int step = 0; step < 60; ++step) {
      now = std::min(due, now + std::chrono::milliseconds(*rc::gen::inRange(0, 200)));
      const auto actor = *rc::gen::inRange<std::uint64_t>(1, 4);
      const auto what = *rc::gen::inRange(0, 5);
      if (what == 0) {
        facts = turn_of(actor, facts.turn + 2, now);
      } else if (what == 1) {
        facts.runs = false;
      } else if (what == 2) {
        const auto at = now + std::chrono::milliseconds(*rc::gen::inRange(0, 500));
        RC_ASSERT(w.condemn(actor, at) == condemned.emplace(actor, at).second);
        condemned[actor] = std::min(condemned[actor], at);
      } else if (what == 3) {
        w.ended(actor);
        condemned.erase(actor);
        own.erase(actor);
      } else {
        own[actor] = std::chrono::milliseconds(*rc::gen::inRange(1, 20) * 25);
        w.limit(actor, own[actor]);
      }
      const auto verdict = w.look(facts, now);
      const bool too_late = std::any_of(condemned.begin(), condemned.end(),
                                        [&](const auto& c) { return c.second <= now; });
      const auto limit = own.count(facts.actor) != 0 ? own[facts.actor] : general;
      const bool too_long = facts.runs && limit != 0ms && now - facts.since >= limit;
      RC_ASSERT((verdict.kill != exit_cause::none) == (too_late || too_long));
      if (verdict.kill != exit_cause::none) {
        const auto guilty = w.culprits();
        RC_ASSERT(!guilty.empty());
        const bool wished = verdict.kill == exit_cause::killed;
        for (const auto g : guilty)
          RC_ASSERT((wished ? condemned.count(g) != 0 : g == facts.actor));
        w.ended(guilty.front()); // too late: the verdict stays
        RC_ASSERT(w.culprits() == guilty);
        return;
      }
      due = verdict.look_again;
      // Whatever begins now, or is wished for next, is seen in time.
      for (const auto& [who, at] : condemned)
        RC_ASSERT(due <= at);
      if (facts.runs && limit != 0ms)
        RC_ASSERT(due <= facts.since + limit);
      if (general != 0ms)
        RC_ASSERT(due <= now + general);
    }
  }));
}
