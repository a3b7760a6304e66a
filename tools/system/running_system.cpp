#include "tools/system/running_system.hpp"

#include "actors/caf/worker_system.hpp"
#include "tools/system/message_json.hpp"

#include <bulkhead/parallelism.hpp>
#include <bulkhead/spawn_pool.hpp>
#include <bulkhead/supervised_work.hpp>

#include <caf/send.hpp>

#include <algorithm>

#include <fmt/format.h>

namespace bulkhead::systems {

namespace {

distribution distribution_of(router_policy policy) {
  switch (policy) {
  case router_policy::key_hash:
    return distribution::by_key();
  case router_policy::to_all:
    return distribution::to_all();
  case router_policy::first:
    return distribution::first();
  default:
    return {};
  }
}

dispatch_policy dispatch_of(router_policy policy) {
  switch (policy) {
  case router_policy::round_robin:
    return dispatch_policy::round_robin;
  case router_policy::random:
    return dispatch_policy::random;
  default:
    return dispatch_policy::least_loaded;
  }
}

placement placement_of(const actor_plan& a) {
  if (a.own_process)
    return placement::own_process;
  return a.key.empty() ? placement{} : placement::by_key(a.key);
}

bool is_told(event_kind kind) {
  return kind == event_kind::died || kind == event_kind::broken || kind == event_kind::quarantined;
}

} // namespace

running_system::running_system(const system_plan& plan, teller tell)
  : plan_(plan), tell_(std::move(tell)) {
  configure(config_);
  actors::use_small_scheduler(config_);
  system_ = std::make_unique<caf::actor_system>(config_);
  try {
    names_ = std::make_unique<names>(*system_);
    for (const auto& each : plan.actors)
      if (plan.supervisor_of(each.name) == nullptr)
        start_actor(each);
    for (const auto& each : plan.supervisors)
      if (plan.supervisor_of(each.name) == nullptr)
        roots_.emplace_back(pool_for(each.pool), options_of(each), specs_of(each));
    join_groups();
  } catch (...) {
    stop();
    throw;
  }
}

running_system::~running_system() { stop(); }

void running_system::stop() noexcept {
  while (!roots_.empty()) {
    roots_.back().stop();
    roots_.pop_back();
  }
  for (const auto& [name, actor] : actors_)
    caf::anon_send_exit(actor, caf::exit_reason::user_shutdown);
  actors_.clear();
  names_.reset();
  pools_.clear();
  system_.reset();
}

pool_options running_system::options_for(const std::string& name) {
  auto options = *plan_.pool_named(name);
  options.on_event = [this, called = options.name](const pool_event& e) {
    if (is_told(e.kind))
      this->tell(fmt::format("{}{}{}", called, called.empty() ? "" : ": ", e.text));
  };
  return options;
}

pool& running_system::pool_for(const std::string& name) {
  auto options = options_for(name);
  auto& made = pools_[options.name];
  if (made)
    return *made;
  const bool has_tasks =
    std::any_of(plan_.actors.begin(), plan_.actors.end(), [&](const actor_plan& a) {
      return a.tasks && plan_.pool_named(a.pool) == plan_.pool_named(name);
    });
  // Who runs no tasks keeps one worker of them, which is the least that a pool has.
  if (!has_tasks) {
    const auto workers = options.workers != 0 ? options.workers : available_parallelism();
    options.actor_workers = options.actor_workers != 0 ? options.actor_workers : workers;
    options.workers = 1;
  }
  made = std::make_unique<pool>(*system_, std::move(options));
  return *made;
}

caf::message running_system::arguments_of(const actor_plan& a) const {
  return to_message(a.args, &detail::interface_of_behavior(a.behavior).arguments,
                    [this](const std::string& name) { return actor(name); });
}

caf::actor running_system::make_router(const actor_plan& a, caf::actor_system& system) {
  auto options = options_for(a.pool);
  options.workers = a.instances;
  options.actor_workers = a.instances;
  options.dispatch = dispatch_of(a.policy);
  return detail::spawn_instances(system, std::move(options), distribution_of(a.policy),
                                 detail::find_behavior(a.behavior), arguments_of(a));
}

void running_system::start_actor(const actor_plan& a) {
  caf::actor made;
  if (a.tasks)
    made = pool_for(a.pool).actor();
  else if (a.instances != 0)
    made = make_router(a, *system_);
  else
    made = detail::spawn_in_worker(pool_for(a.pool).core(), placement_of(a),
                                   detail::find_behavior(a.behavior), arguments_of(a), a.options);
  actors_[a.name] = made;
  names_->register_as(a.name, made);
  tell(a.name + " started");
}

child_spec running_system::spec_of(const std::string& child) {
  child_spec spec;
  spec.id = child;
  const auto* actor = plan_.actor(child);
  const auto* below = plan_.supervisor(child);
  const auto& part = actor != nullptr ? actor->as_child : below->as_child;
  spec.restart = part.restart;
  spec.shutdown = part.shutdown;
  spec.significant = part.significant;
  if (below != nullptr) {
    spec.start = bulkhead::child(options_of(*below), specs_of(*below));
    return spec;
  }
  spec.name = child;
  spec.held_messages = actor->held_messages;
  spec.state_limit = actor->state_limit;
  spec.replayed_messages = actor->replayed_messages;
  if (actor->tasks) {
    spec.start = pool_child(options_for(actor->pool));
    return spec;
  }
  if (actor->instances != 0) {
    spec.start =
      host_child([this, actor](caf::actor_system& system) { return make_router(*actor, system); });
    return spec;
  }
  detail::child_start_state start;
  start.where = placement_of(*actor);
  start.how = actor->options;
  start.behavior = detail::find_behavior(actor->behavior);
  start.arguments = arguments_of(*actor);
  spec.start = child_start{std::move(start)};
  return spec;
}

std::vector<child_spec> running_system::specs_of(const supervisor_plan& s) {
  std::vector<child_spec> specs;
  specs.reserve(s.children.size());
  for (const auto& each : s.children)
    specs.push_back(spec_of(each));
  return specs;
}

supervisor_options running_system::options_of(const supervisor_plan& s) {
  auto options = s.options;
  options.on_event = [this](const supervision_event& e) { on_event(e); };
  return options;
}

void running_system::join_groups() {
  for (const auto& each : plan_.actors)
    for (const auto& group : each.groups)
      names_->join(group, actor(each.name));
}

caf::actor running_system::actor(const std::string& name) const { return names_->whereis(name); }

std::size_t running_system::publish(const std::string& group, const caf::message& message) const {
  return names_->publish_message(group, message);
}

void running_system::on_event(const supervision_event& e) {
  using kind = supervision_event_kind;
  const auto path = e.child.empty() ? e.supervisor : e.supervisor + '/' + e.child;
  auto line = fmt::format("{} {}", path, to_string(e.kind));
  if (e.kind == kind::started)
    line += fmt::format(", incarnation {}", e.incarnation);
  else if (!e.text.empty())
    line += ": " + e.text;
  tell(line);
  const std::lock_guard lock{mutex_};
  if (e.kind == kind::started) {
    running_[e.child] = e.incarnation;
    restarts_ += e.incarnation > 1 ? 1 : 0;
  } else if (!e.child.empty()) {
    running_.erase(e.child);
  }
  if (e.kind == kind::gave_up && e.supervisor.find('/') == std::string::npos)
    gave_up_ = true;
  changed_.notify_all();
}

bool running_system::wait_for(const std::string& child, std::size_t incarnation,
                              std::chrono::steady_clock::time_point until) {
  std::unique_lock lock{mutex_};
  const auto runs = [&] {
    const auto now = running_.find(child);
    return now != running_.end() && now->second >= incarnation;
  };
  changed_.wait_until(lock, until, [&] { return woken_ || runs(); });
  return runs();
}

void running_system::wake() {
  const std::lock_guard lock{mutex_};
  woken_ = true;
  changed_.notify_all();
}

std::size_t running_system::restarts() const {
  const std::lock_guard lock{mutex_};
  return restarts_;
}

bool running_system::gave_up() const {
  const std::lock_guard lock{mutex_};
  return gave_up_;
}

void running_system::tell(const std::string& line) {
  const std::lock_guard lock{tell_mutex_};
  tell_(line);
}

} // namespace bulkhead::systems
