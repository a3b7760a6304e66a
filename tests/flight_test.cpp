#include "runtime/channel/flight.hpp"
#include "runtime/dispatch/unit.hpp"

#include <doctest/doctest.h>

#include <memory>
#include <utility>
#include <vector>

using namespace bulkhead::runtime;

namespace {

constexpr std::uint64_t base = 1000;

/// A flight with its two pages, and units that only count items.
struct fixture {
  host_page host{};
  worker_page worker{};
  flight flown{host, worker, base};
  std::uint64_t units = 0;
  std::vector<std::pair<std::size_t, std::uint32_t>> back; ///< (unit, first item)
  std::vector<std::pair<std::size_t, std::uint32_t>> hit;

  fixture() { host.recall = no_position; }

  void send(std::uint32_t items) {
    auto u = std::make_unique<unit>();
    u->items = items;
    u->id = units++;
    REQUIRE(flown.prepare());
    flown.publish(std::move(u), units * 64);
  }
  void claim(std::uint64_t seq, std::uint64_t item, claim_phase phase) {
    worker.claim = make_claim(make_position(base + seq, item), phase);
  }
  auto giver() {
    return [this](unit& u, std::uint32_t first, const std::unique_ptr<unit>&) {
      back.emplace_back(u.id, first);
    };
  }
  bool answer(std::uint64_t seq, std::uint64_t item) {
    return flown.accept_result(make_position(base + seq, item)).has_value();
  }
  bool die() {
    return flown.bury(
      [this](const std::unique_ptr<unit>& u, std::uint32_t item) { hit.emplace_back(u->id, item); },
      giver());
  }
};

using places = std::vector<std::pair<std::size_t, std::uint32_t>>;

} // namespace

TEST_CASE("a recall takes every frame behind the claimed one at once") {
  fixture f;
  for (int i = 0; i < 4; ++i)
    f.send(1);
  f.claim(1, 0, claim_phase::started);
  CHECK(f.answer(0, 0));
  f.flown.recall(make_position(base + 1, 0), f.giver());
  CHECK(f.back == places{{2, 0}, {3, 0}});
  CHECK(f.host.recall == make_position(base + 1, 0));
  CHECK(!f.flown.may_publish());
}

TEST_CASE("a recall of a chunk splits behind the claimed item") {
  fixture f;
  f.send(10);
  f.claim(0, 3, claim_phase::started);
  f.flown.recall(make_position(base, 1), f.giver());
  CHECK(f.back == places{{0, 4}});
}

TEST_CASE("the recall stands until every frame of its time is answered") {
  fixture f;
  f.send(1);
  f.send(1);
  f.claim(0, 0, claim_phase::started);
  f.flown.recall(make_position(base + 1, 0), f.giver());
  CHECK(f.answer(0, 0));
  CHECK(!f.flown.may_publish());
  CHECK(f.flown.accept_returned(make_position(base + 1, 0), base + 2, false, f.giver()));
  CHECK(f.flown.may_publish());
  CHECK(f.host.recall == no_position);
  CHECK(f.back == places{{1, 0}}); // taken once, not given back again
}

TEST_CASE("RETURNED gives back what was in dispute") {
  fixture f;
  f.send(1);
  f.send(1);
  f.claim(0, 0, claim_phase::claimed);
  f.flown.recall(make_position(base, 0), f.giver());
  CHECK(f.back == places{{1, 0}});
  CHECK(f.flown.accept_returned(make_position(base, 0), base + 2, false, f.giver()));
  CHECK(f.back == places{{1, 0}, {0, 0}});
  CHECK(f.flown.empty());
}

TEST_CASE("what nobody recalled is given back by whoever may always do so, and by nobody else") {
  fixture f;
  f.send(1);
  f.send(1);
  CHECK(!f.flown.accept_returned(make_position(base, 0), base + 1, false, f.giver()));
  f.flown.recall(make_position(base + 1, 0), f.giver());
  CHECK(!f.flown.accept_returned(make_position(base, 0), base + 1, false, f.giver()));
  CHECK(f.flown.accept_returned(make_position(base, 0), base + 1, true, f.giver()));
  CHECK(f.flown.accept_returned(make_position(base + 1, 0), base + 2, false, f.giver()));
  CHECK(f.flown.empty());
}

TEST_CASE("answers out of order, for what was taken or for nothing are refused") {
  fixture f;
  CHECK(!f.answer(0, 0));
  f.send(2);
  f.send(1);
  CHECK(!f.answer(1, 0));
  CHECK(!f.answer(0, 1));
  CHECK(f.answer(0, 0));
  CHECK(!f.answer(0, 0));
  f.claim(0, 1, claim_phase::started);
  f.flown.recall(make_position(base, 1), f.giver());
  CHECK(f.answer(0, 1));  // it was claimed: the worker's
  CHECK(!f.answer(1, 0)); // it was taken
  CHECK(!f.flown.accept_returned(make_position(base + 1, 0), base + 3, false, f.giver()));
  CHECK(!f.flown.accept_returned(make_position(base + 1, 0), base + 1, false, f.giver()));
  CHECK(!f.flown.accept_returned(make_position(base + 2, 0), base + 2, false, f.giver()));
}

TEST_CASE("a recall gives nothing back where the claim is a lie") {
  for (const auto claim :
       {~std::uint64_t{0}, make_claim(make_position(base + 9, 0), claim_phase::started)}) {
    fixture f;
    f.send(3);
    f.send(1);
    f.worker.claim = claim;
    f.flown.recall(f.flown.next(), f.giver());
    CHECK(f.back.empty());
  }
}

TEST_CASE("at death the started item is the casualty, the rest goes elsewhere") {
  fixture f;
  f.send(4);
  f.send(1);
  CHECK(f.answer(0, 0));
  f.claim(0, 1, claim_phase::started);
  CHECK(f.die());
  CHECK(f.hit == places{{0, 1}});
  CHECK(f.back == places{{0, 2}, {1, 0}});
  CHECK(f.flown.empty());
}

TEST_CASE("at death a claimed item that had not started is nobody's casualty") {
  for (const auto phase : {claim_phase::claimed, claim_phase::returned}) {
    fixture f;
    f.send(1);
    f.claim(0, 0, phase);
    CHECK(f.die());
    CHECK(f.hit.empty());
    CHECK(f.back == places{{0, 0}});
  }
}

TEST_CASE("at death a worker between two frames had begun nothing") {
  fixture f;
  f.send(1);
  f.send(1);
  f.claim(0, 0, claim_phase::started);
  CHECK(f.answer(0, 0));
  CHECK(f.die());
  CHECK(f.hit.empty());
  CHECK(f.back == places{{1, 0}});
}

TEST_CASE("a claim that fits nothing in flight makes the record inconsistent") {
  const auto inconsistent = [](std::uint64_t claim) {
    fixture f;
    f.send(1);
    f.send(1);
    f.worker.claim = claim;
    const bool bad = !f.die();
    CHECK(f.hit.empty());
    CHECK(f.back.empty());
    return bad;
  };
  CHECK(inconsistent(make_claim(make_position(base + 1, 0), claim_phase::started))); // skipped one
  CHECK(inconsistent(make_claim(make_position(base + 7, 0), claim_phase::claimed)));
  CHECK(inconsistent(make_claim(make_position(base, 5), claim_phase::started)));
  CHECK(inconsistent(make_claim(make_position(base, 0), claim_phase::none)));
  CHECK(inconsistent(~std::uint64_t{0}));

  fixture idle; // it claims what was never sent
  idle.claim(0, 0, claim_phase::claimed);
  CHECK(!idle.die());
}

TEST_CASE("a first item that started although it was taken is a lie; a later one is not") {
  fixture liar;
  liar.send(1);
  liar.flown.recall(make_position(base, 0), liar.giver());
  liar.claim(0, 0, claim_phase::started);
  CHECK(!liar.die());

  fixture honest; // the worker stores its claim before it looks at the recall
  honest.send(3);
  CHECK(honest.answer(0, 0));
  honest.claim(0, 0, claim_phase::started);
  honest.flown.recall(make_position(base, 1), honest.giver());
  honest.claim(0, 1, claim_phase::started);
  CHECK(honest.die());
  CHECK(honest.hit.empty());
  CHECK(honest.back == places{{0, 1}});
}

TEST_CASE("ring bytes are free once their frame is answered") {
  fixture f;
  f.send(2);
  f.send(1);
  CHECK(f.flown.freed() == 0);
  CHECK(f.answer(0, 0));
  CHECK(f.flown.freed() == 0);
  CHECK(f.answer(0, 1));
  CHECK(f.flown.freed() == 64);
}

TEST_CASE("a column answers items of its frame that were not taken back, and no others") {
  fixture f;
  f.send(10);
  f.send(1);
  f.claim(0, 5, claim_phase::started);
  CHECK(!f.flown.accept_results(make_position(base, 0), 0));
  CHECK(!f.flown.accept_results(make_position(base, 0), 11));
  CHECK(!f.flown.accept_results(make_position(base, 1), 2));
  const auto first = f.flown.accept_results(make_position(base, 0), 4);
  REQUIRE(first.has_value());
  CHECK(first->item == 0);
  CHECK(!first->owner);
  CHECK(f.flown.next() == make_position(base, 4));
  f.flown.recall(make_position(base, 4), f.giver()); // from item 6 on
  CHECK(!f.flown.accept_results(make_position(base, 4), 3));
  const auto rest = f.flown.accept_results(make_position(base, 4), 2);
  REQUIRE(rest.has_value());
  CHECK(rest->item == 4);
  CHECK(rest->owner);
}
