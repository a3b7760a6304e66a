// ctest-label: fault
// ctest-timeout: 120
// Code of the user's that throws where the library calls it: an answer, never the host's end.
#include "tests/support/asking_actor.hpp"
#include "tests/support/leak_guard.hpp"

#include <bulkhead/spawn_pool.hpp>
#include <bulkhead/task.hpp>
#include <bulkhead/tasks.hpp>

#include <caf/scoped_actor.hpp>
#include <doctest/doctest.h>

#include <cstdlib>
#include <stdexcept>
#include <string>
#include <vector>

using namespace bulkhead;
using namespace bulkhead::tests;
using namespace std::chrono_literals;

namespace {

caf::behavior doubling(caf::event_based_actor*) {
  return {[](std::int32_t n) { return 2 * n; }};
}

/// The error that a request of 1 is answered with; "none" for a value.
std::string error_of(caf::actor_system& system, const caf::actor& whom) {
  caf::scoped_actor self{system};
  std::string text = "none";
  self->request(whom, 60s, std::int32_t{1})
    .receive([](std::int32_t) {},
             [&](const caf::error& e) {
               text = failure_of(e) ? failure_of(e)->message : system.render(e);
             });
  return text;
}

} // namespace

TEST_CASE("instances whose initializer aborts are an exception of spawn_pool") {
  const leak_guard guard;
  user_system host;
  for (int round = 0; round < 5; ++round)
    CHECK_THROWS_AS(
      spawn_pool(
        *host.system,
        {.initializer = [] { std::abort(); }, .output = output_mode::null, .actor_workers = 4},
        doubling),
      error);
}

TEST_CASE("a split that throws is the requester's answer") {
  const leak_guard guard;
  user_system host;
  const auto pool = spawn_pool(*host.system, {.actor_workers = 2},
                               distribution::scatter(
                                 [](const caf::message&, std::size_t) -> std::vector<caf::message> {
                                   throw std::runtime_error("cannot split");
                                 },
                                 [](const std::vector<caf::message>& all) { return all.front(); }),
                               doubling);
  CHECK(error_of(*host.system, pool).find("cannot split") != std::string::npos);
  caf::anon_send_exit(pool, caf::exit_reason::user_shutdown);
}

TEST_CASE("a key function may throw anything") {
  const leak_guard guard;
  user_system host;
  const auto pool = spawn_pool(
    *host.system, {.actor_workers = 2},
    distribution::by_key([](const caf::message&) -> std::string { throw 42; }), doubling);
  CHECK(error_of(*host.system, pool).find("int") != std::string::npos);
  caf::anon_send_exit(pool, caf::exit_reason::user_shutdown);
}
