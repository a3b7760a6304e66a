#include "actors/host/actor_group.hpp"

#include "actors/caf/proxy.hpp"
#include "actors/host/own_worker_guard.hpp"
#include "runtime/this_process/own_process.hpp"

#include <bulkhead/error.hpp>
#include <bulkhead/parallelism.hpp>

#include <algorithm>
#include <functional>
#include <string>
#include <tuple>

// The actor workers of one pool. Threads that spawn come here, the hub's launch thread with starts
// that nobody waits for, and whoever ends the pool or its system. The mutex guards the list of
// processes; an actor is started, and a process ended, without it.
namespace bulkhead::actors {

namespace {

constexpr std::chrono::seconds group_reap_patience{2};
/// A worker whose behaviour takes longer is the last choice.
constexpr std::chrono::milliseconds busy_patience{100};

std::size_t size_of(const pool_options& options) {
  if (options.actor_workers != 0)
    return options.actor_workers;
  return options.workers != 0 ? options.workers : available_parallelism();
}

} // namespace

void actor_group::check(const placement& where, const actor_options& how) const {
  const auto& pool = options_;
  if (pool.start != start_method::forkserver && pool.start != start_method::spawn)
    throw config_error("pool::spawn: actors live in processes of their own; pool_options::start "
                       "must be forkserver or spawn, and is fork, thread or eager: make a second "
                       "pool for the actors");
  if (how.memory_limit != 0 && where.where != placement::kind::own)
    throw config_error("actor_options::memory_limit is " + std::to_string(how.memory_limit)
                       + " for an actor that shares its worker; allowed: 0, or "
                         "placement::own_process as spawn's first argument; "
                         "pool_options::max_memory_per_worker limits shared workers");
}

actor_group::actor_group(std::shared_ptr<actor_hub> hub, pool_options options)
  : hub_(std::move(hub)), options_(std::move(options)), size_(size_of(options_)),
    owner_(runtime::own_process::identity()), shared_(size_) {}

actor_group::~actor_group() { end(); }

caf::strong_actor_ptr actor_group::spawn(const spawn_request& request, const placement& where,
                                         const actor_options& how) {
  check(where, how);
  const auto deadline = actor_process::clock::now() + start_patience_of(how);
  std::vector<process_ptr> tried;
  for (;;) {
    // A worker that was asked once is not asked again in this call: one that is stuck in a message
    // gives the start back after a second, and then another one is tried.
    auto process = choose(where, how, tried);
    if (!process)
      throw timeout_error(tried.back()->busy_text());
    // Where the start fails or throws, a process of its own would have nobody who ends it.
    own_worker_guard guard{where.where == placement::kind::own ? process : nullptr};
    auto actor = process->try_spawn(request, deadline);
    tried.push_back(process);
    if (!actor)
      continue;
    settle(process, *actor, {{}, where, how, {}});
    guard.keep();
    return std::move(*actor);
  }
}

// A worker of its own has no other reason to live than its actor.
void actor_group::settle(const process_ptr& process, const caf::strong_actor_ptr& actor,
                         const order& what) {
  process->settle(actor, what.how, what.whom);
  if (what.where.where == placement::kind::own)
    at_exit(actor, [weak = std::weak_ptr{process}, grace = options_.grace](const caf::error&) {
      if (auto p = weak.lock())
        p->stop(exit_cause::shutdown, grace);
    });
}

actor_group::process_ptr actor_group::start_one(const pool_options& options) {
  auto process = actor_process::start(
    hub_, options, ++started_, [weak = weak_from_this()](const exit_status& status, bool) {
      auto self = weak.lock();
      // Weak: the group may have ended before its last process was buried.
      if (self && status.cause == exit_cause::bad_message)
        self->bad_.fetch_add(1, std::memory_order_relaxed); // a count
    });
  hub_->let_spawn(
    process->peer(),
    [weak = weak_from_this(), living = std::make_shared<std::atomic<std::size_t>>(0)](
      const std::string& behavior, const caf::message& args, const name_desk::spawn_done& done) {
      if (auto self = weak.lock())
        self->spawn_beside(living, behavior, args, done);
      else
        done(nullptr, "the pool has ended: it starts no more actors");
    });
  return process;
}

actor_group::process_ptr actor_group::start_own(const actor_options& how) {
  auto options = options_;
  if (how.memory_limit != 0)
    options.max_memory_per_worker = how.memory_limit;
  own_.push_back(start_one(options));
  return own_.back();
}

// Starting a process takes about a millisecond; other spawns wait for it under the lock.
actor_group::process_ptr actor_group::choose(const placement& where, const actor_options& how,
                                             const std::vector<process_ptr>& tried) {
  const auto was_tried = [&](const process_ptr& p) {
    return std::find(tried.begin(), tried.end(), p) != tried.end();
  };
  std::lock_guard lock{mutex_};
  if (over_ || !hub_->open())
    throw pool_closed("the pool has ended: it starts no more actors");
  // Only here, where one is added, so the list is never longer than what lives and what ended
  // since.
  std::erase_if(own_, [](const process_ptr& p) { return p->over(); });
  if (where.where == placement::kind::own)
    return tried.empty() ? start_own(how) : nullptr;
  auto slot = shared_.begin();
  // A key has its place for ever, whatever lives there now; only so do two calls with one key meet.
  if (where.where == placement::kind::key)
    slot += static_cast<std::ptrdiff_t>(std::hash<std::string>{}(where.text) % size_);
  else
    slot = std::min_element(shared_.begin(), shared_.end(), [&](const auto& a, const auto& b) {
      // An empty place, or one whose worker takes no more, costs as little as an idle worker, so
      // the group grows to its size before actors share a worker.
      const auto cost = [&](const process_ptr& p) {
        if (!p || !p->admits())
          return std::tuple{false, false, std::size_t{0}};
        return std::tuple{was_tried(p), p->busy_for(busy_patience), p->actors()};
      };
      return cost(a) < cost(b);
    });
  if (*slot && (*slot)->admits())
    return was_tried(*slot) ? nullptr : *slot;
  if (*slot)
    own_.push_back(std::move(*slot)); // its last actors end there
  *slot = start_one(options_);
  return *slot;
}

std::vector<actor_group::process_ptr> actor_group::living() const {
  std::vector<process_ptr> all;
  std::lock_guard lock{mutex_};
  all.reserve(shared_.size() + own_.size());
  for (const auto* list : {&shared_, &own_})
    for (const auto& p : *list)
      if (p && !p->over())
        all.push_back(p);
  return all;
}

std::vector<worker_info> actor_group::workers() const {
  std::vector<worker_info> all;
  const auto processes = living();
  all.reserve(processes.size());
  for (const auto& p : processes)
    all.push_back(p->info());
  return all;
}

std::vector<actor_info> actor_group::actors() const {
  std::vector<actor_info> all;
  for (const auto& p : living())
    p->list_actors(all);
  return all;
}

std::vector<detail::actor_turn> actor_group::take_turns() {
  std::vector<detail::actor_turn> all;
  for (const auto& p : living())
    p->take_turns(all);
  return all;
}

// By the process's own descriptor, so a number that the kernel gave away again is never hit.
pid_t actor_group::signal(peer_id peer, int number) {
  std::lock_guard lock{mutex_};
  for (const auto* list : {&shared_, &own_})
    for (const auto& p : *list)
      if (p && p->peer() == peer && p->signal(number))
        return p->pid();
  return 0;
}

void actor_group::add(const std::shared_ptr<endable>& user) {
  std::lock_guard lock{mutex_};
  std::erase_if(users_, [](const auto& u) { return u.expired(); });
  users_.push_back(user);
}

void actor_group::end() noexcept {
  std::vector<process_ptr> all;
  std::vector<std::weak_ptr<endable>> users;
  {
    std::lock_guard lock{mutex_};
    over_ = true;
    users.swap(users_);
    all.swap(shared_);
    all.insert(all.end(), own_.begin(), own_.end());
    own_.clear();
  }
  // A forked copy of the host has none of the threads that would bury them, and must not end its
  // parent's workers.
  if (!runtime::own_process::is(owner_))
    return;
  for (const auto& u : users)
    if (const auto user = u.lock())
      user->end();
  for (auto& p : all)
    if (p)
      p->kill(exit_cause::shutdown);
  // The runtime thread is the one that learns of the ends; it would wait for itself.
  if (hub_->thread()->on_thread())
    return;
  const auto deadline = actor_process::clock::now() + group_reap_patience;
  for (auto& p : all)
    if (p)
      p->wait(deadline);
}

} // namespace bulkhead::actors
