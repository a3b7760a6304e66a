#include "observe/model/watched.hpp"

#include "observe/model/process_figures.hpp"
#include "runtime/system/masked_thread.hpp"
#include "runtime/this_process/own_process.hpp"

#include <unistd.h>

#include <algorithm>
#include <exception>
#include <utility>

namespace bulkhead::observe {

namespace detail {

namespace {

/// All that live. Outlives every watch.
struct registry {
  static registry& instance() {
    static auto& only = *new registry;
    return only;
  }

  std::mutex mutex;
  std::vector<std::pair<std::weak_ptr<pool_core>, std::weak_ptr<watched>>> pools;
  std::uint64_t keys = 0;
};

sample sample_of(pool_core& core, model& names) {
  sample now;
  now.stats = core.stats();
  auto workers = core.workers();
  const auto side = core.attached();
  if (side) {
    now.stats.bad_messages += side->bad_messages();
    now.stats.dead_letters += side->dead_letters();
    for (auto& w : side->workers())
      workers.push_back(w);
    now.actors = side->actors();
  }
  const auto running = core.running_tasks();
  now.at = steady::now();
  for (auto& info : workers) {
    worker_sight w;
    w.worker = info;
    if (info.pid != 0) {
      const auto figures = figures_of(info.pid);
      w.cpu_seconds = figures.cpu_seconds;
      w.descriptors = figures.descriptors;
    }
    const auto task = std::find_if(running.begin(), running.end(),
                                   [&](const auto& r) { return r.worker == info.id; });
    if (info.kind == worker_kind::tasks && task != running.end())
      w.running = names.name_of(task->what);
    now.workers.push_back(std::move(w));
  }
  return now;
}

} // namespace

std::shared_ptr<watched> watched::of(const std::shared_ptr<pool_core>& core) {
  auto& known = registry::instance();
  const std::lock_guard lock{known.mutex};
  std::erase_if(known.pools, [](const auto& p) { return p.second.expired(); });
  for (const auto& [pool, seen] : known.pools)
    if (pool.lock() == core)
      if (auto there = seen.lock())
        return there;
  std::shared_ptr<watched> made{new watched{core, ++known.keys}};
  known.pools.emplace_back(core, made);
  return made;
}

std::vector<std::shared_ptr<watched>> watched::all() {
  auto& known = registry::instance();
  const std::lock_guard lock{known.mutex};
  std::vector<std::shared_ptr<watched>> living;
  for (const auto& [pool, seen] : known.pools)
    if (auto there = seen.lock())
      living.push_back(std::move(there));
  return living;
}

watched::watched(const std::shared_ptr<pool_core>& core, std::uint64_t key)
  : key_(key), owner_(runtime::own_process::identity()), core_(core), name_(core->options().name),
    model_(began_, std::chrono::system_clock::now(), &bulkhead::detail::name_of) {
  core->look_on(recorder_); // throws for what cannot be looked at, before the thread is there
  thread_ = std::make_unique<std::thread>(runtime::masked_thread("bh-observe", [this] { run(); }));
}

watched::~watched() {
  if (!runtime::own_process::is(owner_)) { // a forked copy, in which its thread does not exist
    static_cast<void>(thread_.release());
    return;
  }
  {
    const std::lock_guard lock{stop_mutex_};
    stop_ = true;
  }
  recorder_->stop();
  thread_->join();
  if (const auto core = core_.lock())
    core->look_away(*recorder_);
}

void watched::run() {
  for (;;) {
    recorder_->wait_until(steady::now() + fresh);
    try {
      step(between_samples);
    } catch (const std::exception&) { // no memory for it now: the next look may see more
    }
    const bool over = ended();
    const std::lock_guard lock{stop_mutex_};
    if (stop_ || over)
      return;
  }
}

// One at a time: what came first is told first.
void watched::step(std::chrono::nanoseconds most_age) {
  const std::lock_guard lock{mutex_};
  auto came = recorder_->take(); // under our lock: who looks next misses nothing
  news told;
  told.ended = model_.take(came);
  told.spans = model_.take_spans(std::move(came.spans));
  told.takes = model_.see_takes(came.takes);
  const bool last = came.over && !over_;
  if (last) {
    over_ = true;
    model_.end(came.last, steady::now());
  }
  const auto turns = turns_of_actors();
  // Where actors work the names of new ones are wanted sooner.
  if (!over_
      && steady::now() - sampled_
           >= (turns.empty() ? most_age : std::min<std::chrono::nanoseconds>(most_age, fresh)))
    sample_pool();
  told.messages = model_.take_turns(turns);
  if (listeners_.empty())
    return;
  auto known = model_.look({UINT64_MAX, UINT64_MAX, events_told_});
  events_told_ = known.events.empty() ? events_told_ : known.events.back().number;
  told.events = std::move(known.events);
  told.now = known.history.empty() ? point{} : known.history.back();
  for (const auto& [number, tell] : listeners_)
    tell(told);
}

void watched::sample_pool() {
  if (const auto core = core_.lock(); core && core->is_of_own_process())
    model_.take(sample_of(*core, model_));
  sampled_ = steady::now();
}

std::vector<bulkhead::detail::actor_turn> watched::turns_of_actors() {
  const auto core = core_.lock();
  if (over_ || !core || !core->is_of_own_process())
    return {};
  const auto side = core->attached();
  return side ? side->take_turns() : std::vector<bulkhead::detail::actor_turn>{};
}

snapshot watched::now(const watch::cursor& since) {
  step(fresh);
  const std::lock_guard lock{mutex_};
  auto all = model_.look(since);
  all.pool = name_;
  all.key = key_;
  all.host = ::getpid();
  return all;
}

std::uint64_t watched::listen(listener who) {
  const std::lock_guard lock{mutex_};
  listeners_.emplace(next_listener_, std::move(who));
  return next_listener_++;
}

void watched::leave(std::uint64_t listener_number) noexcept {
  const std::lock_guard lock{mutex_};
  listeners_.erase(listener_number);
}

void watched::want_takes(bool on) noexcept {
  want_takes_.fetch_add(on ? 1 : -1);
  if (const auto core = core_.lock())
    core->tell_takes(want_takes_.load() != 0);
}

bool watched::ended() const {
  const std::lock_guard lock{mutex_};
  return over_;
}

} // namespace detail

watch::watch(const pool& of) : shared_(detail::watched::of(of.core())) {}

snapshot watch::now(const cursor& since) const { return shared_->now(since); }

std::vector<snapshot> all_watched() {
  std::vector<snapshot> all;
  for (const auto& one : detail::watched::all())
    all.push_back(one->now({}));
  return all;
}

} // namespace bulkhead::observe
