#include "actors/host/actor_group.hpp"

#include "actors/caf/proxy.hpp"
#include "runtime/this_process/own_process.hpp"

#include <bulkhead/error.hpp>
#include <bulkhead/parallelism.hpp>

#include <algorithm>
#include <functional>

namespace bulkhead::actors {

namespace {

constexpr std::chrono::seconds spawn_patience{30};
constexpr std::chrono::seconds reap_patience{2};

std::size_t size_of(const pool_options& options) {
  if (options.actor_workers != 0)
    return options.actor_workers;
  return options.workers != 0 ? options.workers : available_parallelism();
}

} // namespace

actor_group::actor_group(std::shared_ptr<actor_hub> hub, pool_options options)
  : hub_(std::move(hub)), options_(std::move(options)), size_(size_of(options_)),
    owner_(runtime::own_process::identity()), shared_(size_) {}

actor_group::~actor_group() { end(); }

caf::strong_actor_ptr actor_group::spawn(const spawn_request& request, const placement& where) {
  const auto deadline = actor_process::clock::now() + spawn_patience;
  auto process = choose(where);
  auto actor = process->spawn(request, deadline);
  // A worker of its own has no other reason to live than its actor.
  if (where.where == placement::kind::own)
    at_exit(actor, [weak = std::weak_ptr{process}, grace = options_.grace](const caf::error&) {
      if (auto p = weak.lock())
        p->stop(exit_cause::shutdown, grace);
    });
  return actor;
}

actor_group::process_ptr actor_group::start_one() {
  return actor_process::start(hub_, options_, ++started_,
                              [weak = weak_from_this()](const exit_status& status, bool) {
                                auto self = weak.lock();
                                if (self && status.cause == exit_cause::bad_message)
                                  self->bad_.fetch_add(1, std::memory_order_relaxed);
                              });
}

// Starting a process takes about a millisecond; other spawns wait for it under the lock.
actor_group::process_ptr actor_group::choose(const placement& where) {
  std::lock_guard lock{mutex_};
  if (over_ || !hub_->open())
    throw pool_closed("the pool has ended: it starts no more actors");
  if (where.where == placement::kind::own) {
    std::erase_if(own_, [](const process_ptr& p) { return !p->serves(); });
    own_.push_back(start_one());
    return own_.back();
  }
  auto slot = shared_.begin();
  if (where.where == placement::kind::key)
    slot += static_cast<std::ptrdiff_t>(std::hash<std::string>{}(where.text) % size_);
  else
    slot = std::min_element(shared_.begin(), shared_.end(), [](const auto& a, const auto& b) {
      const auto load = [](const process_ptr& p) { return p && p->serves() ? p->actors() : 0; };
      return load(a) < load(b);
    });
  if (!*slot || !(*slot)->serves())
    *slot = start_one();
  return *slot;
}

pid_t actor_group::signal(peer_id peer, int number) {
  std::lock_guard lock{mutex_};
  for (const auto* list : {&shared_, &own_})
    for (const auto& p : *list)
      if (p && p->peer() == peer && p->signal(number))
        return p->pid();
  return 0;
}

void actor_group::end() noexcept {
  std::vector<process_ptr> all;
  {
    std::lock_guard lock{mutex_};
    over_ = true;
    all.swap(shared_);
    all.insert(all.end(), own_.begin(), own_.end());
    own_.clear();
  }
  if (!runtime::own_process::is(owner_))
    return;
  for (auto& p : all)
    if (p)
      p->kill(exit_cause::shutdown);
  if (hub_->thread()->on_thread())
    return;
  const auto deadline = actor_process::clock::now() + reap_patience;
  for (auto& p : all)
    if (p)
      p->wait(deadline);
}

} // namespace bulkhead::actors
