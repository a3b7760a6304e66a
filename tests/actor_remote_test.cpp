// ctest-timeout: 120
#include "tests/support/host_system.hpp"
#include "tests/support/leak_guard.hpp"

#include <bulkhead/actor.hpp>

#include <caf/event_based_actor.hpp>
#include <caf/io/middleman.hpp>
#include <caf/scoped_actor.hpp>
#include <doctest/doctest.h>

#include <signal.h>
#include <unistd.h>

#include <cstdint>

// Nodes of CAF's own middleman that talk to actors in this host's workers.

#if BULKHEAD_CAF_0

namespace {

using namespace std::chrono_literals;
using bulkhead::tests::ask;
using bulkhead::tests::leak_guard;

struct node {
  node() {
    bulkhead::tests::load_middleman(config);
    bulkhead::configure(config);
    bulkhead::tests::two_threads(config);
    system = std::make_unique<caf::actor_system>(config);
  }
  caf::actor_system_config config;
  std::unique_ptr<caf::actor_system> system;
};

caf::behavior service(caf::event_based_actor*) {
  return {
    [](int x) { return x + 1; },
    [](caf::get_atom) { return static_cast<std::int32_t>(::getpid()); },
    [](caf::flush_atom) { ::pause(); },
  };
}

} // namespace

TEST_CASE(
  "a remote node has its answer from a published actor of a worker, or hears of its death") {
  const leak_guard guard;
  node here;
  node there;
  bulkhead::pool_options o;
  o.workers = 1;
  o.actor_workers = 1;
  bulkhead::pool p{*here.system, o};
  const auto published = p.spawn(service);
  const auto port = here.system->middleman().publish(published, 0, "127.0.0.1");
  REQUIRE(port);
  const auto remote = there.system->middleman().remote_actor("127.0.0.1", *port);
  REQUIRE(remote);
  {
    caf::scoped_actor self{*there.system};
    CHECK(ask<int>(self, *remote, 41) == 42);
    const auto pid = ask<std::int32_t>(self, *remote, caf::get_atom_v);
    auto waits = self->request(*remote, 60s, caf::flush_atom_v);
    ::kill(pid, SIGKILL);
    caf::error heard;
    waits.receive([] {}, [&](const caf::error& e) { heard = e; });
    CHECK(heard);
    CHECK(heard != caf::sec::request_timeout);
  }
  here.system->middleman().unpublish(published, *port);
}

#endif
