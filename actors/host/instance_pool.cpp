#include "actors/host/instance_pool.hpp"

#include "actors/caf/failure_error.hpp"
#include "actors/host/event_feed.hpp"
#include "actors/host/gatherer.hpp"
#include "runtime/pool/pool_checks.hpp"

#include <bulkhead/error.hpp>

#include <caf/actor_cast.hpp>
#include <caf/actor_system.hpp>

#include <algorithm>

namespace bulkhead::actors {

namespace {

constexpr std::chrono::seconds start_patience{30};
constexpr std::chrono::seconds instance_reap_patience{2};

} // namespace

instance_pool::instance_pool(std::shared_ptr<actor_hub> hub, pool_options options, distribution how,
                             spawn_request what)
  : hub_(std::move(hub)), options_(std::move(options)), how_(std::move(how)),
    what_(std::move(what)),
    instances_(options_.actor_workers != 0 ? options_.actor_workers : options_.workers),
    intensity_(options_.restart, instances_.size()), random_(std::random_device{}()) {}

instance_pool::~instance_pool() { stop(); }

void instance_pool::start() {
  const auto deadline = actor_process::clock::now() + start_patience;
  // Held here: the end of one that dies at its start clears its place in another thread.
  std::vector<launched> all;
  for (std::size_t i = 0; i < instances_.size(); ++i)
    all.push_back(launch(i));
  for (std::size_t i = 0; i < all.size(); ++i)
    on_up(i, all[i].generation, all[i].process->spawn(what_, deadline));
}

instance_pool::launched instance_pool::launch(std::size_t at) {
  std::uint64_t generation = 0;
  {
    const std::lock_guard lock{mutex_};
    generation = ++instances_[at].generation;
    instances_[at].ended = false;
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
    if (instances_[at].generation == generation && !instances_[at].ended)
      instances_[at].process = process;
  }
  if (over)
    process->kill(exit_cause::shutdown);
  return {std::move(process), generation};
}

void instance_pool::on_up(std::size_t at, std::uint64_t generation,
                          const caf::strong_actor_ptr& actor) {
  std::deque<parcel> now;
  {
    const std::lock_guard lock{mutex_};
    auto& one = instances_[at];
    if (over_ || one.generation != generation)
      return;
    one.actor = actor;
    one.load = 0;
    intensity_.on_ready();
    now.swap(waiting_);
  }
  // An instance that quits by itself takes its process along and is started again.
  at_exit(actor, [weak = weak_from_this(), at, generation](const caf::error&) {
    if (auto self = weak.lock())
      self->on_down(at, generation);
  });
  for (auto& p : now)
    dispatch(std::move(p));
}

void instance_pool::on_down(std::size_t at, std::uint64_t generation) noexcept {
  std::shared_ptr<actor_process> process;
  caf::strong_actor_ptr gone;
  {
    const std::lock_guard lock{mutex_};
    auto& one = instances_[at];
    if (one.generation != generation)
      return;
    gone.swap(one.actor);
    process = one.process;
  }
  if (process)
    process->stop(exit_cause::exited, options_.grace);
}

void instance_pool::on_end(std::size_t at, std::uint64_t generation, const exit_status& status,
                           bool was_ready) {
  {
    const std::lock_guard lock{mutex_};
    auto& one = instances_[at];
    if (over_ || one.generation != generation)
      return;
    one.actor = nullptr;
    one.process = nullptr;
    one.ended = true;
  }
  replace(at, status, was_ready, "its instances die too often; the last: " + to_string(status));
}

// After a death, or a start that failed: soon, later, or never again.
void instance_pool::replace(std::size_t at, const exit_status& status, bool was_ready,
                            const std::string& last_word) {
  runtime::restart_intensity::verdict verdict;
  {
    const std::lock_guard lock{mutex_};
    if (over_)
      return;
    const auto spread = std::uniform_real_distribution{0.0, 1.0}(random_);
    verdict = intensity_.on_death(actor_process::clock::now(), was_ready, spread);
  }
  if (verdict.give_up) {
    give_up(last_word);
    return;
  }
  if (verdict.wait.count() != 0)
    tell(options_.on_event, event_kind::restarting, at + 1, 0, "replacement waits for its back-off",
         status);
  hub_->thread()->at(actor_process::clock::now() + verdict.wait, [weak = weak_from_this(), at] {
    if (auto self = weak.lock())
      self->restart(at);
  });
}

void instance_pool::restart(std::size_t at) {
  try {
    const auto [process, generation] = launch(at);
    process->spawn(what_, [weak = weak_from_this(), at, generation = generation](
                            const caf::strong_actor_ptr& actor, const failure& why) {
      auto self = weak.lock();
      if (!self)
        return;
      if (actor)
        self->on_up(at, generation, actor);
      else if (why.kind == failure_kind::task_exception)
        self->give_up("an instance cannot be made again: " + why.message);
    });
  } catch (const std::exception& e) { // a lack of descriptors or memory passes
    replace(at, {.cause = exit_cause::start_failed}, false,
            std::string("an instance cannot be started again: ") + e.what());
  }
}

void instance_pool::give_up(const std::string& why) {
  failure f;
  f.kind = failure_kind::pool_broken;
  f.message = "the pool of actors is broken: " + why;
  std::deque<parcel> waiting;
  {
    const std::lock_guard lock{mutex_};
    waiting.swap(waiting_);
  }
  for (auto& p : waiting)
    if (p.sender && p.mid.is_request())
      answer_error(p.sender, p.mid, to_error(f), nullptr);
  stop();
  tell(options_.on_event, event_kind::broken, 0, 0, f.message);
  if (on_broken)
    on_broken(to_error(f));
}

std::vector<std::shared_ptr<actor_process>> instance_pool::close() {
  std::vector<std::shared_ptr<actor_process>> processes;
  std::deque<parcel> waiting;
  std::vector<caf::strong_actor_ptr> actors;
  {
    const std::lock_guard lock{mutex_};
    over_ = true;
    waiting.swap(waiting_);
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
  for (auto& p : close())
    p->stop(exit_cause::shutdown, options_.grace);
}

void instance_pool::end() noexcept {
  const auto processes = close();
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
  auto good = runtime::checked(std::move(options));
  if (good.start != start_method::forkserver && good.start != start_method::spawn)
    throw config_error("spawn_pool: actors live in processes; options.start must be forkserver or "
                       "spawn");
  auto hub = actor_hub::of(system);
  good.on_event = deferred(hub, std::move(good.on_event));
  auto pool = std::make_shared<instance_pool>(
    hub, std::move(good), std::move(how), spawn_request{what.stub, what.behavior, std::move(args)});
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
