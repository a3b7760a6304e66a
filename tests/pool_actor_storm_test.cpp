// ctest-label: fault
// ctest-timeout: 180
// ctest-serial
// The pool actor under many requesters while its workers are killed.
#include "tests/support/asking_actor.hpp"
#include "tests/support/eventually.hpp"
#include "tests/support/leak_guard.hpp"
#include "tests/support/nemesis.hpp"

#include <bulkhead/task.hpp>

#include <caf/send.hpp>
#include <doctest/doctest.h>

#include <vector>

using namespace bulkhead;
using namespace bulkhead::tests;
using namespace std::chrono_literals;

namespace {

std::int32_t storm_item(std::int32_t n) {
  witness::start(static_cast<std::size_t>(n));
  const auto end = std::chrono::steady_clock::now() + 100us;
  while (std::chrono::steady_clock::now() < end) {
  }
  witness::end(static_cast<std::size_t>(n));
  return n;
}
BULKHEAD_TASK("storm_item", storm_item)

constexpr std::int32_t requesters = 16;
constexpr std::int32_t each = 500;
constexpr std::int32_t total = requesters * each;

/// Half of the requesters ask for all at once, half one after the other.
void ask_all(user_system& host, const caf::actor& pool_actor, const std::shared_ptr<asked>& seen) {
  std::vector<caf::actor> all;
  for (std::int32_t i = 0; i < requesters; ++i) {
    all.push_back(host.system->spawn<asking_actor>(seen, "storm_item"));
    if (i % 2 == 0)
      caf::anon_send(all.back(), caf::put_atom_v, pool_actor, i * each, (i + 1) * each);
    else
      caf::anon_send(all.back(), caf::get_atom_v, pool_actor, i * each, (i + 1) * each);
  }
  CHECK(eventually([&] { return seen->outcomes == total; }, 80s));
  for (auto& a : all)
    caf::anon_send(a, caf::close_atom_v);
}

void storm(std::size_t retries, std::uint32_t seed) {
  const leak_guard guard;
  const witness marks{total};
  nemesis killer{{.interval = 12ms, .seed = seed}};
  history told;
  for (std::size_t i = 0; i < total; ++i)
    told.submitted(i, retries + 1);
  auto seen = std::make_shared<asked>(told);
  {
    user_system host;
    pool p{*host.system,
           {.workers = 2,
            .initializer = call(&witness::open, marks.path()),
            .retries = retries,
            .poison_after = 0,
            .on_event = killer.feed()}};
    ask_all(host, p.actor(), seen);
    const auto s = p.stats();
    CHECK(s.submitted == s.succeeded + s.failed + s.cancelled);
    CHECK(s.restarts > 2);
  }
  const auto kills = killer.stop();
  CHECK(kills > 2);
  CHECK(told.violations(marks) == "");
  CHECK(seen->responses == total);
  CHECK(seen->wrong == 0);
  const auto died = told.count(failure_kind::worker_died);
  CHECK(told.values() + died == total);
  CHECK(died <= kills); // no kill cost more than one request
  if (retries != 0)
    CHECK(died == 0);
  MESSAGE(kills << " kills, " << died << " of " << total << " requests lost");
}

} // namespace

TEST_CASE("16 requesters of a pool actor in a storm of kills: one answer each, no task twice") {
  storm(0, 3);
}

TEST_CASE("with retries the pool actor answers every request of a storm with a value") {
  storm(20, 5);
}
