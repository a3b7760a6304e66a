#include "actors/host/instance_pool.hpp"

#include "actors/caf/failure_error.hpp"
#include "actors/host/event_feed.hpp"
#include "actors/host/gatherer.hpp"
#include "runtime/pool/pool_checks.hpp"
#include "runtime/this_process/own_process.hpp"

#include <bulkhead/error.hpp>

#include <caf/actor_cast.hpp>
#include <caf/actor_system.hpp>

#include <algorithm>
#include <system_error>

// How instances start, end and are replaced. Ends come on the runtime thread, restarts run on the
// hub's launch thread, the first start in the user's. A place has a generation, which grows with
// each start and each end; whoever comes with an old one speaks of a process that is gone, and
// changes nothing.
namespace bulkhead::actors {

namespace {

constexpr std::chrono::seconds start_patience{30};
constexpr std::chrono::seconds instance_reap_patience{2};

/// The options, or config_error where one cannot apply to instances of actors.
pool_options checked_for_instances(pool_options options) {
  auto good = runtime::checked(std::move(options));
  if (good.start != start_method::forkserver && good.start != start_method::spawn)
    throw config_error("spawn_pool: actors live in processes; options.start must be forkserver or "
                       "spawn");
  if (good.poison_after != pool_options{}.poison_after)
    throw config_error("spawn_pool: pool_options::poison_after is "
                       + std::to_string(good.poison_after)
                       + ", and applies to tasks only; leave it out: `retries` bounds how many "
                         "instances a message can end");
  if (good.max_tasks_per_worker != 0)
    throw config_error("spawn_pool: pool_options::max_tasks_per_worker is "
                       + std::to_string(good.max_tasks_per_worker)
                       + ", and applies to tasks only; leave it out, or limit the instances' age "
                         "with max_age_per_worker");
  if (good.retry != retry_policy{})
    throw config_error(
      "spawn_pool: pool_options::retry is set, and applies to tasks only; leave it "
      "out: a message is tried again after the death of its instance alone");
  const auto set_for_tasks = good.prefetch            ? "prefetch"
                             : good.on_output         ? "on_output"
                             : good.measure_growth    ? "measure_growth"
                             : good.max_shared_result ? "max_shared_result"
                             : good.observe           ? "observe"
                                                      : nullptr;
  if (set_for_tasks != nullptr)
    throw config_error("spawn_pool: pool_options::" + std::string{set_for_tasks}
                       + " is set, and applies to tasks only; leave it out");
  return good;
}

/// The distribution, or config_error where it lacks a function that it calls.
distribution complete(distribution how) {
  const char* missing = nullptr;
  if (how.how == distribution::kind::choose && !how.chooser)
    missing = "by() has no function that chooses";
  else if (how.how == distribution::kind::scatter_gather && !how.split)
    missing = "scatter() has no function that splits";
  else if (how.how == distribution::kind::scatter_gather && !how.join)
    missing = "scatter() has no function that joins";
  if (missing != nullptr)
    throw config_error(std::string{"spawn_pool: distribution::"} + missing
                       + "; give it one, or choose another distribution");
  return how;
}

} // namespace

instance_pool::instance_pool(std::shared_ptr<actor_hub> hub, pool_options options, distribution how,
                             spawn_request what)
  : owner_(runtime::own_process::identity()), hub_(std::move(hub)), options_(std::move(options)),
    how_(std::move(how)), what_(std::move(what)),
    instances_(options_.actor_workers != 0 ? options_.actor_workers : options_.workers),
    wanted_(instances_.size()), intensity_(options_.restart, instances_.size()),
    random_(std::random_device{}()) {}

instance_pool::~instance_pool() { stop(); }

void instance_pool::start() {
  const auto deadline = actor_process::clock::now() + start_patience;
  std::vector<launched> all;
  all.reserve(instances_.size());
  for (std::size_t i = 0; i < wanted_; ++i) // nobody else knows it yet
    all.push_back(launch(i));
  for (std::size_t i = 0; i < all.size(); ++i)
    on_up(i, all[i].generation, all[i].process->spawn(what_, deadline));
}

// The process may have ended before this returns: then its slot is the next one's, and whoever has
// the result asks a dead process, which answers.
instance_pool::launched instance_pool::launch(std::size_t at) {
  std::uint64_t generation = 0;
  {
    const std::lock_guard lock{mutex_};
    generation = ++instances_[at].generation;
  }
  auto process = actor_process::start(
    hub_, options_, at + 1,
    [weak = weak_from_this(), at, generation](const exit_status& status, bool was_ready) {
      if (auto self = weak.lock())
        self->on_end(at, generation, status, was_ready);
    });
  bool over = false;
  {
    const std::lock_guard lock{mutex_};
    over = over_;
    if (instances_[at].generation == generation)
      instances_[at].process = process;
  }
  // finish() did not find this process in the table, so it is ended here.
  if (over)
    process->kill(exit_cause::shutdown);
  return {std::move(process), generation};
}

void instance_pool::on_up(std::size_t at, std::uint64_t generation,
                          const caf::strong_actor_ptr& actor) {
  {
    const std::lock_guard lock{mutex_};
    auto& one = instances_[at];
    if (over_ || one.generation != generation)
      return;
    one.actor = actor;
    // Its load starts anew; answers of the one before are told apart by their generation.
    one.load = 0;
    intensity_.on_ready();
  }
  // An instance that quits by itself takes its process along and is started again.
  at_exit(actor, [weak = weak_from_this(), at, generation](const caf::error&) {
    if (auto self = weak.lock())
      self->on_down(at, generation);
  });
  if (const auto age = options_.max_age_per_worker; age.count() != 0)
    retire(at, generation, actor_process::clock::now() + age);
  drain();
}

void instance_pool::on_down(std::size_t at, std::uint64_t generation) noexcept {
  std::shared_ptr<actor_process> process;
  caf::strong_actor_ptr gone;
  {
    const std::lock_guard lock{mutex_};
    auto& one = instances_[at];
    if (one.generation != generation)
      return;
    // The handle is let go without the mutex: the end of the last one calls into the border.
    gone.swap(one.actor);
    process = one.process;
  }
  if (process)
    process->stop(exit_cause::exited, options_.grace);
}

void instance_pool::on_end(std::size_t at, std::uint64_t generation, const exit_status& status,
                           bool was_ready) {
  bool gone = false;
  bool again = false;
  {
    const std::lock_guard lock{mutex_};
    auto& one = instances_[at];
    if (over_ || one.generation != generation)
      return;
    // The end is told when the border has given back all that did not run, so nothing moves any
    // more.
    ++one.generation; // launch() may not have returned yet
    one.actor = nullptr;
    one.process = nullptr;
    one.moving = false;
    one.load = 0;
    one.empty = gone = one.leaves;
    one.aged = false;
    again = std::exchange(one.told, false) && !gone; // aged, or wanted again since it was told
  }
  drain();
  if (again)
    restart_later(at);
  else if (!gone)
    replace(at, was_ready, to_string(status), status);
}

// Also after a launch that failed: what was missing, descriptors or memory, may come back.
void instance_pool::replace(std::size_t at, bool was_ready, const std::string& why,
                            const exit_status& status) {
  runtime::restart_intensity::verdict verdict;
  {
    const std::lock_guard lock{mutex_};
    if (over_)
      return;
    counts_.restarts += status.cause != exit_cause::recycled;
    const auto spread = std::uniform_real_distribution{0.0, 1.0}(random_);
    verdict = intensity_.on_death(actor_process::clock::now(), was_ready, spread);
  }
  if (verdict.give_up) {
    give_up("its instances die too often; the last: " + why);
    return;
  }
  if (verdict.wait.count() != 0)
    tell(options_.on_event, event_kind::restarting, at + 1, 0, "replacement waits for its back-off",
         status);
  hub_->thread()->at(actor_process::clock::now() + verdict.wait, [weak = weak_from_this(), at] {
    if (auto self = weak.lock())
      self->restart_later(at);
  });
}

void instance_pool::restart_later(std::size_t at) noexcept {
  try {
    hub_->launch_later([weak = weak_from_this(), at] {
      if (auto self = weak.lock())
        self->restart(at);
    });
  } catch (const std::system_error& e) {
    replace(at, false, std::string{"no thread to start it: "} + e.what(),
            {.cause = exit_cause::start_failed});
  }
}

// On the hub's launch thread: a launch may wait for the forkserver.
void instance_pool::restart(std::size_t at) noexcept {
  {
    const std::lock_guard lock{mutex_};
    auto& one = instances_[at];
    one.empty = one.leaves; // it is one too many by now
    if (one.empty)
      return;
  }
  launched fresh;
  try {
    fresh = launch(at);
  } catch (const std::exception& e) {
    replace(at, false, std::string{"it could not be started: "} + e.what(),
            {.cause = exit_cause::start_failed});
    return;
  }
  try {
    fresh.process->spawn(what_, [weak = weak_from_this(), at, generation = fresh.generation](
                                  const caf::strong_actor_ptr& actor, const failure& why) {
      auto self = weak.lock();
      if (!self)
        return;
      // An exception of the constructor would come again. A death during the start comes by
      // on_end() and is counted there.
      if (actor)
        self->on_up(at, generation, actor);
      else if (why.kind == failure_kind::task_exception)
        self->give_up("an instance cannot be made again: " + why.message);
    });
  } catch (const std::exception& e) {
    give_up(std::string("an instance cannot be made again: ") + e.what());
  }
}

void instance_pool::give_up(const std::string& why) {
  failure f;
  f.kind = failure_kind::pool_broken;
  f.message = "the pool of actors is broken: " + why;
  std::deque<parcel> waiting;
  {
    const std::lock_guard lock{mutex_};
    waiting = take_line();
  }
  for (auto& p : waiting)
    refuse(p, f.message, f.kind);
  // The waiting messages were refused with the reason before stop(), which would only call the pool
  // ended.
  stop();
  tell(options_.on_event, event_kind::broken, 0, 0, f.message);
  if (on_over)
    on_over(to_error(f));
}

// Handles, messages and processes are taken out under the mutex and let go without it: each may
// call back into this pool. A second call finds nothing to refuse and the same processes, which end
// once.
std::vector<std::shared_ptr<actor_process>> instance_pool::finish() {
  std::vector<std::shared_ptr<actor_process>> processes;
  std::deque<parcel> waiting;
  std::vector<caf::strong_actor_ptr> actors;
  {
    const std::lock_guard lock{mutex_};
    over_ = true;
    waiting = take_line();
    for (auto& one : instances_) {
      if (one.process)
        processes.push_back(one.process);
      actors.push_back(std::move(one.actor));
      one.actor = nullptr;
    }
  }
  for (auto& p : waiting)
    refuse(p, "the pool of actors has ended", failure_kind::pool_closed);
  return processes;
}

void instance_pool::stop() noexcept {
  if (!runtime::own_process::is(owner_))
    return;
  for (auto& p : finish())
    p->stop(exit_cause::shutdown, options_.grace);
}

void instance_pool::end() noexcept {
  if (!runtime::own_process::is(owner_))
    return;
  const auto processes = finish();
  for (auto& p : processes)
    p->kill(exit_cause::shutdown);
  if (hub_->thread()->on_thread())
    return;
  const auto deadline = actor_process::clock::now() + instance_reap_patience;
  for (auto& p : processes)
    p->wait(deadline);
}

} // namespace bulkhead::actors

namespace bulkhead::detail {

caf::actor spawn_instances(caf::actor_system& system, pool_options options, distribution how,
                           const shipped_behavior& what, caf::message args) {
  using namespace actors;
  auto good = checked_for_instances(std::move(options));
  auto hub = actor_hub::of(system);
  good.on_event = deferred(hub, std::move(good.on_event));
  auto pool = std::make_shared<actors::instance_pool>(
    hub, std::move(good), complete(std::move(how)),
    spawn_request{what.stub, what.behavior, std::move(args)});
  // Before it starts: a system that ends meanwhile has to find it.
  hub->add(pool);
  try {
    pool->start();
  } catch (...) {
    pool->end();
    throw;
  }
  return make_instance_pool_actor(hub, pool);
}

} // namespace bulkhead::detail
