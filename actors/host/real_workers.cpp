#include <bulkhead/testing/faults.hpp>

#include "actors/border/process_proxy.hpp"
#include "actors/caf/worker_system.hpp"
#include "actors/host/pool_side.hpp"

#include <caf/actor_cast.hpp>

#include <signal.h>

#include <random>

namespace bulkhead::testing {

struct real_workers::state {
  state(std::size_t actor_workers, pool_options options) {
    configure(config);
    actors::use_small_scheduler(config);
    system = std::make_unique<caf::actor_system>(config);
    options.actor_workers = actor_workers;
    pool = std::make_unique<bulkhead::pool>(*system, std::move(options));
  }

  // By the process's pidfd, so that a reused number is never hit.
  pid_t signal(const caf::actor& actor, int number) {
    auto ptr = caf::actor_cast<caf::strong_actor_ptr>(actor);
    auto* proxy = ptr ? dynamic_cast<actors::process_proxy*>(ptr->get()) : nullptr;
    if (proxy == nullptr)
      return 0;
    return actors::pool_side::of(pool->core())->group().signal(proxy->key().peer, number);
  }

  caf::actor_system_config config;
  std::unique_ptr<caf::actor_system> system;
  std::unique_ptr<bulkhead::pool> pool;
};

real_workers::real_workers(std::size_t actor_workers, pool_options options)
  : state_(std::make_unique<state>(actor_workers, std::move(options))) {}

real_workers::~real_workers() = default;

caf::actor_system& real_workers::system() noexcept { return *state_->system; }

bulkhead::pool& real_workers::pool() noexcept { return *state_->pool; }

pid_t real_workers::process_of(const caf::actor& actor) { return state_->signal(actor, 0); }

void real_workers::kill(const caf::actor& actor) { state_->signal(actor, SIGKILL); }

void real_workers::hang(const caf::actor& actor) { state_->signal(actor, SIGSTOP); }

void real_workers::go_on(const caf::actor& actor) { state_->signal(actor, SIGCONT); }

void real_workers::kill_one_of(const std::vector<caf::actor>& actors, std::uint64_t seed) {
  if (!actors.empty())
    kill(actors[std::mt19937_64{seed}() % actors.size()]);
}

} // namespace bulkhead::testing
