#include "actors/host/pool_side.hpp"

#include "actors/caf/failure_error.hpp"
#include "actors/host/event_feed.hpp"
#include "actors/host/task_pool_actor.hpp"
#include "actors/worker/configure.hpp"
#include "runtime/this_process/own_process.hpp"

#include <bulkhead/actor.hpp>
#include <bulkhead/dead_letters.hpp>
#include <bulkhead/error.hpp>

#include <caf/actor_system.hpp>
#include <caf/actor_system_config.hpp>

#include <chrono>
#include <exception>
#include <future>
#include <system_error>
#include <thread>

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <utility>

namespace bulkhead {

namespace actors {

/// One scheduler thread that sleeps when idle: CAF's default policy polls. CAF ties a system to
/// threads: each that made it or used a scoped_actor in it holds its logger until it ends or uses
/// another system, and the destructor waits for them, without a limit.
struct pool_side::private_system {
  // In a thread of its own, so that the caller's is tied to nothing.
  private_system() {
    std::exception_ptr error;
    std::thread maker{[&] {
      try {
        configure(config);
        use_small_scheduler(config);
        system = std::make_unique<caf::actor_system>(config);
      } catch (...) {
        error = std::current_exception();
      }
    }};
    maker.join();
    if (error)
      std::rethrow_exception(error);
  }
  caf::actor_system_config config;
  std::unique_ptr<caf::actor_system> system;

  /// Waits for the destructor, but not for ever; what holds the system up then holds only a thread.
  static void end(std::unique_ptr<private_system> ended) noexcept {
    leave_system(*ended->system);
    auto done = std::make_shared<std::promise<void>>();
    auto over = done->get_future();
    try {
      std::thread{[done, system = std::move(ended)]() mutable {
        system = nullptr;
        done->set_value();
      }}.detach();
    } catch (const std::system_error&) {
      return; // no thread to be had: the lambda's end destroyed it here
    }
    over.wait_for(std::chrono::seconds{2});
  }
};

pool_side::pool_side(const std::shared_ptr<detail::pool_core>& core, caf::actor_system* system)
  : owner_(runtime::own_process::identity()) {
  if (system == nullptr) {
    own_ = std::make_unique<private_system>();
    system = own_->system.get();
  }
  hub_ = actor_hub::of(*system);
  auto options = core->options();
  options.on_event = [weak = std::weak_ptr{core},
                      user = deferred(core, std::move(options.on_event))](const pool_event& e) {
    if (const auto alive = weak.lock())
      alive->tell_onlooker(e);
    if (user)
      user(e);
  };
  group_ = std::make_shared<actor_group>(hub_, std::move(options));
  hub_->add(group_);
}

// A forked copy of the host has none of the system's threads: it only lets go.
pool_side::~pool_side() {
  if (runtime::own_process::is(owner_)) {
    end();
    return;
  }
  static_cast<void>(own_.release());
  // Leaked on purpose. Their destructors would wait for threads that fork() did not copy (man 2
  // fork) or take locks that those held.
  new std::shared_ptr<actor_hub>(std::move(hub_));
  new std::shared_ptr<actor_group>(std::move(group_));
}

std::shared_ptr<pool_side> pool_side::of(const std::shared_ptr<detail::pool_core>& core) {
  const std::lock_guard lock{core->attachment_mutex};
  if (!core->attachment)
    core->attachment = std::shared_ptr<pool_side>(new pool_side(core, nullptr));
  return std::static_pointer_cast<pool_side>(core->attachment);
}

void pool_side::attach(const std::shared_ptr<detail::pool_core>& core, caf::actor_system& system) {
  const std::lock_guard lock{core->attachment_mutex};
  core->attachment = std::shared_ptr<pool_side>(new pool_side(core, &system));
}

caf::actor pool_side::pool_actor(const std::shared_ptr<detail::pool_core>& core) {
  const std::lock_guard lock{mutex_};
  if (over_)
    throw pool_closed("the pool has ended");
  if (!pool_actor_)
    pool_actor_ = make_task_pool_actor(hub_, core);
  return pool_actor_;
}

// The system goes last: proxies and the border use it.
void pool_side::end() noexcept {
  if (!runtime::own_process::is(owner_))
    return;
  caf::actor pool_actor;
  std::unique_ptr<private_system> own;
  {
    const std::lock_guard lock{mutex_};
    over_ = true;
    pool_actor.swap(pool_actor_);
    own.swap(own_);
  }
  // Without the mutex, since the end of an actor tells its observers at once. First who hands out
  // tasks, then the processes, then the system.
  if (pool_actor)
    end_task_pool_actor(pool_actor);
  pool_actor = nullptr;
  if (group_)
    group_->end();
  if (own)
    private_system::end(std::move(own));
}

} // namespace actors

pool::pool(caf::actor_system& system, pool_options options)
  : core_(detail::make_pool_core(std::move(options))) {
  try {
    actors::pool_side::attach(core_, system);
  } catch (...) {
    // No destructor of the pool runs where its constructor throws, so the core is ended here.
    core_->terminate();
    throw;
  }
}

caf::actor pool::actor() { return actors::pool_side::of(core_)->pool_actor(core_); }

void configure(caf::actor_system_config& config) {
  actors::load_host(config);
  actors::load_messages(config);
}

std::optional<failure> failure_of(const caf::error& reason) { return actors::failure_of(reason); }

std::optional<exit_status> exit_status_of(const caf::error& reason) {
  auto f = actors::failure_of(reason);
  if (!f || f->exit.cause == exit_cause::none)
    return std::nullopt;
  return f->exit;
}

namespace detail {

caf::actor spawn_in_worker(const std::shared_ptr<pool_core>& core, const placement& where,
                           const shipped_behavior& what, caf::message args,
                           const actor_options& how) {
  if (core->options().engine)
    throw config_error("a pool with an engine runs tasks on nodes and hosts no actors; spawn them "
                       "in a pool without pool_options::engine");
  auto side = actors::pool_side::of(core);
  return caf::actor_cast<caf::actor>(
    side->group().spawn({what.stub, what.behavior, std::move(args)}, where, how));
}

} // namespace detail

} // namespace bulkhead

namespace bulkhead {

struct dead_letter_watch::listener {
  std::mutex mutex; ///< guards tell, while it runs too
  std::function<void(const std::string& why)> tell;
  std::atomic<int> waiting = 0; ///< relaxed: a bound on what waits, no order is needed

  void hear(const std::string& why) {
    waiting.fetch_sub(1, std::memory_order_relaxed); // see above
    const std::lock_guard lock{mutex};
    if (tell)
      tell(why);
  }
};

dead_letter_watch::dead_letter_watch(caf::actor_system& system,
                                     std::function<void(const std::string& why)> f)
  : listener_(std::make_shared<listener>()) {
  constexpr int most_waiting = 1024;
  const auto hub = actors::actor_hub::of(system);
  hub_ = hub;
  listener_->tell = std::move(f);
  hub->edge().letters.watch([weak = std::weak_ptr{hub}, to = listener_](const std::string& why) {
    const auto self = weak.lock();
    // relaxed: see above
    if (!self || to->waiting.load(std::memory_order_relaxed) >= most_waiting)
      return;
    to->waiting.fetch_add(1, std::memory_order_relaxed); // see above
    self->call_back([to, why] { to->hear(why); });
  });
}

dead_letter_watch::~dead_letter_watch() {
  const std::lock_guard lock{listener_->mutex};
  listener_->tell = nullptr;
}

} // namespace bulkhead
