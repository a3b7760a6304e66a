// ctest-timeout: 120
// ctest-label: fault
#include "tests/support/eventually.hpp"
#include "tests/support/host_system.hpp"
#include "tests/support/leak_guard.hpp"

#include <bulkhead/dead_letters.hpp>
#include <bulkhead/error.hpp>
#include <bulkhead/message.hpp>
#include <bulkhead/spawn_beside.hpp>
#include <bulkhead/spawn_pool.hpp>

#include <caf/actor_system.hpp>
#include <caf/event_based_actor.hpp>
#include <caf/scoped_actor.hpp>
#include <caf/send.hpp>
#include <doctest/doctest.h>

#include <signal.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <optional>
#include <string>

namespace {

using namespace std::chrono_literals;
using namespace bulkhead;
using bulkhead::tests::ask;
using bulkhead::tests::eventually;
using bulkhead::tests::host_system;
using bulkhead::tests::leak_guard;

caf::behavior adder(caf::event_based_actor*, std::int32_t start, const std::string& unit) {
  return {
    [start](std::int32_t x) { return start + x; },
    [unit](caf::get_atom) { return std::to_string(::getpid()) + ' ' + unit; },
  };
}
BULKHEAD_ACTOR("spawn_beside_test.adder", adder)

caf::behavior asking(caf::event_based_actor* self) {
  return {
    [self](const std::string& behavior) {
      auto promise = self->make_response_promise<caf::actor>();
      spawn_beside(self, behavior, 40, "cm")
        .then([promise](const caf::actor& made) mutable { promise.deliver(made); },
              [promise](const caf::error& e) mutable { promise.deliver(e); });
      return promise;
    },
    [](caf::get_atom) { return std::to_string(::getpid()); },
  };
}

std::string refusal_of(caf::scoped_actor& self, const caf::actor& whom, const std::string& what) {
  std::string why;
  self->request(whom, 20s, what)
    .receive([](const caf::actor&) {},
             [&](const caf::error& e) { why = failure_of(e).value().message; });
  return why;
}

} // namespace

TEST_CASE("an actor of a worker starts another one in another worker, by the behaviour's name") {
  leak_guard guard;
  host_system host;
  pool workers{*host.system, {.workers = 1, .actor_workers = 2}};
  caf::scoped_actor self{*host.system};
  const auto one = workers.spawn(asking);
  const auto made = ask<caf::actor>(self, one, std::string{"spawn_beside_test.adder"});
  CHECK(ask<std::int32_t>(self, made, std::int32_t{2}) == 42);
  const auto there = ask<std::string>(self, made, caf::get_atom_v);
  CHECK(there.find(" cm") != std::string::npos);
  CHECK(there.find(ask<std::string>(self, one, caf::get_atom_v)) == std::string::npos);
  CHECK(refusal_of(self, one, "spawn_beside_test.nobody").find("spawn_beside_test.nobody")
        != std::string::npos);
  // It outlives who has started it.
  ::kill(static_cast<pid_t>(std::stol(ask<std::string>(self, one, caf::get_atom_v))), SIGKILL);
  CHECK(ask<std::int32_t>(self, made, std::int32_t{3}) == 43);
}

TEST_CASE("actors of the host and of a spawn_pool are told to do otherwise") {
  leak_guard guard;
  host_system host;
  caf::scoped_actor self{*host.system};
  const auto front = spawn_pool(*host.system, {.workers = 1}, asking);
  CHECK(refusal_of(self, front, "spawn_beside_test.adder").find("spawn_pool") != std::string::npos);
  const auto here = host.system->spawn(asking);
  CHECK(refusal_of(self, here, "spawn_beside_test.adder").find("pool::spawn") != std::string::npos);
  caf::anon_send_exit(here, caf::exit_reason::kill);
}

TEST_CASE("who watches dead letters hears of each, and why") {
  leak_guard guard;
  host_system host;
  std::atomic<int> heard = 0;
  std::atomic<int> with_reason = 0;
  std::optional<dead_letter_watch> watch;
  watch.emplace(*host.system, [&](const std::string& why) {
    with_reason += why.find("the pool of actors has ended") != std::string::npos;
    ++heard;
  });
  auto front = spawn_pool(*host.system, {.workers = 1}, asking);
  caf::anon_send_exit(front, caf::exit_reason::user_shutdown);
  for (int i = 0; i < 3; ++i)
    caf::anon_send(front, caf::get_atom_v);
  CHECK(eventually([&] { return heard == 3; }));
  CHECK(with_reason == 3);
  watch.reset();
  caf::anon_send(front, caf::get_atom_v);
  CHECK(heard == 3);
}
