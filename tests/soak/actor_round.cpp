// Actors in workers under requests, while their workers are killed: one outcome each.
#include "tests/soak/rounds.hpp"
#include "tests/support/asking_actor.hpp"
#include "tests/support/eventually.hpp"

#include <bulkhead/actor.hpp>
#include <bulkhead/pool.hpp>

#include <caf/scoped_actor.hpp>
#include <caf/send.hpp>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <memory>
#include <vector>

using namespace bulkhead;
using namespace bulkhead::tests;
using namespace std::chrono_literals;

namespace {

caf::behavior echo(caf::event_based_actor*) {
  return {
    [](std::int32_t n) {
      witness::start(static_cast<std::size_t>(n));
      witness::end(static_cast<std::size_t>(n));
      return n;
    },
    [](caf::sys_atom) { return static_cast<std::int32_t>(::getpid()); },
  };
}

pid_t pid_of(caf::scoped_actor& self, const caf::actor& whom) {
  pid_t pid = 0;
  self->request(whom, 60s, caf::sys_atom_v)
    .receive([&](std::int32_t x) { pid = x; }, [](const caf::error&) {});
  return pid;
}

/// A spawn into a worker that was just killed says so; the next one finds another.
caf::actor spawn_echo(pool& p, placement where) {
  for (;;)
    try {
      return p.spawn(where, echo);
    } catch (const worker_died&) {
    }
}

constexpr int actors = 8;
constexpr int requests_each = 200;

} // namespace

namespace bulkhead::tests::soak {

std::string actor_round(std::mt19937& random, totals& sum) {
  const witness seen{actors * requests_each};
  history told{history::taker::one_process};
  user_system host;
  pool p{*host.system,
         {.workers = 1,
          .initializer = call(&witness::open, seen.path()),
          .restart = {.max_restarts = 1'000'000},
          .actor_workers = 1 + random() % 3}};
  caf::scoped_actor self{*host.system};
  auto asks = std::make_shared<asked>(told);
  std::vector<caf::actor> askers;
  for (int i = 0; i < actors; ++i) {
    const auto whom = spawn_echo(p, random() % 3 == 0 ? placement::own_process : placement{});
    const auto pid = pid_of(self, whom);
    for (int n = i * requests_each; n < (i + 1) * requests_each; ++n)
      told.submitted(static_cast<std::size_t>(n));
    askers.push_back(host.system->spawn<asking_actor>(asks));
    caf::anon_send(askers.back(), random() % 2 == 0 ? caf::atom("put") : caf::atom("get"), whom,
                   std::int32_t{i * requests_each}, std::int32_t{(i + 1) * requests_each});
    if (pid > 0 && random() % 3 == 0) {
      ::kill(pid, SIGKILL);
      ++sum.signals;
    }
  }
  sum.requests += actors * requests_each;
  const bool all = eventually([&] { return asks->outcomes == actors * requests_each; }, 120s);
  for (const auto& a : askers)
    caf::anon_send(a, caf::close_atom_v);
  if (!all)
    return std::to_string(asks->outcomes) + " of " + std::to_string(actors * requests_each)
           + " requests have an outcome after two minutes\n";
  return told.violations(seen);
}

} // namespace bulkhead::tests::soak
