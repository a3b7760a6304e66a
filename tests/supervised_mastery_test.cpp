// ctest-timeout: 120
// ctest-label: fault
#include "tests/support/eventually.hpp"
#include "tests/support/host_system.hpp"
#include "tests/support/leak_guard.hpp"

#include <bulkhead/supervisor.hpp>

#include <caf/actor_system.hpp>
#include <caf/event_based_actor.hpp>
#include <caf/scoped_actor.hpp>
#include <doctest/doctest.h>

#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace {

using namespace std::chrono_literals;
using namespace bulkhead;
using bulkhead::tests::ask;
using bulkhead::tests::eventually;
using bulkhead::tests::host_system;
using bulkhead::tests::leak_guard;

caf::behavior wild(caf::event_based_actor*) {
  return {
    [](std::int32_t x) { return x + 1; },
    [](caf::get_atom) { return static_cast<std::int32_t>(::getpid()); },
    [](caf::put_atom) {
      for (volatile std::uint64_t i = 0;;)
        i = i + 1;
    },
    [](caf::tick_atom) { ::pause(); },
    [](caf::add_atom) {
      std::vector<std::unique_ptr<std::vector<char>>> kept;
      for (;;)
        kept.push_back(std::make_unique<std::vector<char>>(std::size_t{1} << 20, 'x'));
    },
  };
}

std::size_t incarnations(const supervisor& tree, const std::string& id) {
  for (const auto& c : tree.which_children())
    if (c.id == id)
      return c.status == child_status::running ? c.incarnations : 0;
  return 0;
}

bool works_at_a_message(const pool& workers) {
  const auto all = workers.actors();
  return std::any_of(all.begin(), all.end(), [](const auto& a) { return a.in_hand > 0ns; });
}

} // namespace

TEST_CASE("a loop, a leak and a blocking call end; supervisors restart whom they took along") {
  leak_guard guard;
  host_system host;
  pool_options options;
  options.workers = 1;
  options.actor_workers = 2;
  options.max_memory_per_worker = std::size_t{96} << 20;
  pool workers{*host.system, options};
  const auto here = placement::by_key("a");
  auto there = placement::by_key("b");
  caf::scoped_actor self{*host.system};
  for (char key = 'b'; ask<std::int32_t>(self, workers.spawn(here, wild), caf::get_atom_v)
                       == ask<std::int32_t>(self, workers.spawn(there, wild), caf::get_atom_v);)
    there = placement::by_key(std::string{++key});
  supervisor tree{workers,
                  {.max_restarts = 10},
                  {{.id = "wild", .start = child(here, wild)},
                   {.id = "neighbour", .start = child(here, wild)},
                   {.id = "elsewhere", .start = child(there, wild)}}};
  std::size_t generation = 1;
  const auto harms_nobody_else = [&] {
    ++generation;
    CHECK(eventually([&] {
      return incarnations(tree, "wild") == generation
             && incarnations(tree, "neighbour") == generation;
    }));
    CHECK(incarnations(tree, "elsewhere") == 1);
    for (const char* each : {"wild", "neighbour", "elsewhere"})
      CHECK(ask<std::int32_t>(self, tree.child(each), std::int32_t{1}) == 2);
  };
  const auto hangs = [&](auto what) {
    self->send(tree.child("wild"), what);
    REQUIRE(eventually([&] { return works_at_a_message(workers); }));
    CHECK(ask<std::int32_t>(self, workers.spawn(there, wild), std::int32_t{4}) == 5);
    kill(tree.child("wild"), 50ms);
  };
  hangs(caf::put_atom_v);
  harms_nobody_else();
  hangs(caf::tick_atom_v);
  harms_nobody_else();
  self->send(tree.child("wild"), caf::add_atom_v); // ends at the limit, unasked
  harms_nobody_else();
}
