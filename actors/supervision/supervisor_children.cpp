#include "actors/border/process_proxy.hpp"
#include "actors/caf/failure_error.hpp"
#include "actors/caf/verbs.hpp"
#include "actors/host/thrown_text.hpp"
#include "actors/supervision/supervisor_node.hpp"

#include <bulkhead/error.hpp>

#include <caf/actor_cast.hpp>

#include <utility>

// Children of a supervisor: how they start, end, and are seen.

namespace bulkhead::actors {

namespace {

// An error that is empty is CAF's word for a normal end.
exit_kind kind_of(const caf::error& reason) {
  if (!reason || reason == caf::exit_reason::normal)
    return exit_kind::normal;
  return reason == caf::exit_reason::user_shutdown ? exit_kind::shutdown : exit_kind::abnormal;
}

// Who ends with a worker process ends together.
std::uint64_t death_of(const caf::strong_actor_ptr& actor, const caf::error& reason) {
  const auto f = failure_of(reason);
  const auto* proxy = dynamic_cast<const process_proxy*>(actor->get());
  return proxy != nullptr && f && f->exit.cause != exit_cause::none ? proxy->key().peer : 0;
}

child_status status_of(child_state state) {
  switch (state) {
  case child_state::absent:
    break;
  case child_state::starting:
    return child_status::starting;
  case child_state::running:
    return child_status::running;
  case child_state::stopping:
    return child_status::stopping;
  case child_state::gone:
  case child_state::restarting:
    return child_status::restarting;
  }
  return child_status::undefined;
}

} // namespace

void supervisor_node::launch(child_key key) {
  member_ptr m;
  {
    const std::lock_guard lock{mutex_};
    const auto known = step_->children().find(key);
    if (over_ || known == step_->children().end())
      return;
    // A child that came with start_child() is put into the table here, when its turn has come.
    m = std::static_pointer_cast<member>(known->second.rule.what);
    members_[key] = m;
  }
  try {
    give_name(m);
    const auto& start = *m->spec.start.state();
    if (start.make)
      launch_made(key, m);
    else if (start.type == child_type::supervisor)
      launch_node(key, m);
    else
      launch_worker(key, m);
  } catch (...) {
    // Whatever threw, the step gets an answer: its plan waits for this child.
    on_start_failed(key, m, thrown_text());
  }
}

// Once: the handle keeps it through all restarts.
void supervisor_node::give_name(const member_ptr& m) {
  if (m->named || m->spec.name.empty())
    return;
  const auto keeper = place_.hub->names();
  if (const auto why = static_cast<name_desk*>(keeper->get())->add(m->spec.name, m->handle);
      !why.empty())
    throw config_error(why);
  m->named = true;
}

// The last argument is the last snapshot, where there is one.
caf::message supervisor_node::arguments_of(const member& m) const {
  const auto& given = m.spec.start.state()->arguments;
  if (!m.state)
    return given;
  const auto keeper = place_.hub->names();
  auto& states = static_cast<name_desk*>(keeper->get())->states();
  if (states.size_of(*m.state).count == 0)
    return given;
  return with_last_text(given, states.read(*m.state));
}

// Before it gets its first message through the handle; until it ends.
void supervisor_node::attach_state(const member_ptr& m, const caf::strong_actor_ptr& actor) {
  const auto* proxy = dynamic_cast<const process_proxy*>(actor->get());
  const auto keeper = place_.hub->find_names();
  if (!m->state || proxy == nullptr || !keeper)
    return;
  static_cast<name_desk*>(keeper->get())->states().attach(proxy->key(), m->state);
  at_exit(actor, [weak = caf::actor_cast<caf::weak_actor_ptr>(keeper),
                  key = proxy->key()](const caf::error&) {
    if (const auto alive = weak.lock())
      static_cast<name_desk*>(alive->get())->states().detach(key);
  });
}

void supervisor_node::launch_worker(child_key key, const member_ptr& m) {
  const auto group = place_.group.lock();
  if (!group)
    throw pool_closed("the pool of the supervisor has ended");
  const auto& start = *m->spec.start.state();
  actor_group::order what;
  what.request = {start.behavior.stub, start.behavior.behavior, arguments_of(*m)};
  what.where = start.where;
  what.how = start.how;
  if (what.how.name.empty())
    what.how.name = m->spec.id;
  what.whom = {name_, m->number};
  group->spawn_later(std::move(what), [weak = weak_from_this(), key,
                                       m](const caf::strong_actor_ptr& actor, const failure& why) {
    const auto self = weak.lock();
    if (!self)
      return;
    if (actor) {
      self->on_started(key, m, actor);
      return;
    }
    // First stop(), then the failure: the other way round the step would plan one more attempt.
    if (why.kind == failure_kind::pool_closed) // no later attempt would do better
      self->stop([](answer_kind, const std::string&) {});
    self->on_start_failed(key, m, why.message);
  });
}

// User code: on the thread for that.
void supervisor_node::launch_made(child_key key, const member_ptr& m) {
  place_.hub->call_back([weak = weak_from_this(), key, m] {
    const auto self = weak.lock();
    if (!self)
      return;
    caf::strong_actor_ptr actor;
    std::string why = "the function of host_child gave an empty handle";
    try {
      actor = caf::actor_cast<caf::strong_actor_ptr>(
        m->spec.start.state()->make(self->place_.hub->system()));
    } catch (...) {
      why = thrown_text();
    }
    if (actor)
      self->on_started(key, m, actor);
    else
      self->on_start_failed(key, m, why);
  });
}

void supervisor_node::launch_node(child_key key, const member_ptr& m) {
  const auto& start = *m->spec.start.state();
  auto options = start.options;
  // A path names a supervisor by the id of its child, so that id has to be its name.
  options.name = m->spec.id;
  // Of the incarnation that on_started() will make of it. Nobody else counts meanwhile: a child has
  // one start at a time.
  const auto number = m->number + 1;
  auto node = make(place_, options, start.children, name_,
                   [weak = weak_from_this(), key, number](const caf::error& reason) {
                     if (const auto self = weak.lock())
                       self->on_exit(key, number, {exit_kind::shutdown, 0, reason});
                   });
  {
    const std::lock_guard lock{mutex_};
    m->node = node;
  }
  node->begin([weak = weak_from_this(), key, m, front = node->front()](answer_kind what,
                                                                       const std::string& why) {
    const auto self = weak.lock();
    if (!self)
      return;
    if (what == answer_kind::done)
      self->on_started(key, m, front);
    else
      self->on_start_failed(key, m, why);
  });
}

void supervisor_node::on_started(child_key key, const member_ptr& m,
                                 const caf::strong_actor_ptr& actor) {
  std::size_t number = 0;
  {
    const std::lock_guard lock{mutex_};
    if (!over_) {
      number = ++m->number;
      m->incarnation = actor;
    }
  }
  // The tree was over before the start was answered; nobody would ever end this actor.
  if (number == 0) {
    send_exit(actor, caf::exit_reason::kill);
    return;
  }
  // The order matters. Its snapshots are taken before the handle gives it a first message; it is
  // bound before the step may call the start done; and its end is watched last, so that no exit
  // comes before the start it belongs to.
  attach_state(m, actor);
  static_cast<child_handle*>(m->handle->get())->bind(actor);
  tell(supervision_event_kind::started, m, {});
  drive([key](supervision& step, restart_budget::time_point now) { step.started(key, now); });
  if (m->spec.start.state()->type == child_type::supervisor && !m->spec.start.state()->make)
    return; // its node tells of its end
  const caf::weak_actor_ptr who = caf::actor_cast<caf::weak_actor_ptr>(actor);
  at_exit(actor, [weak = weak_from_this(), key, number, who](const caf::error& reason) {
    const auto self = weak.lock();
    if (!self)
      return;
    const auto ended = who.lock();
    self->on_exit(key, number, {kind_of(reason), ended ? death_of(ended, reason) : 0, reason});
  });
}

void supervisor_node::on_start_failed(child_key key, const member_ptr& m, const std::string& why) {
  {
    const std::lock_guard lock{mutex_};
    m->node = nullptr;
  }
  tell(supervision_event_kind::start_failed, m, why);
  drive(
    [&](supervision& step, restart_budget::time_point now) { step.start_failed(key, why, now); });
}

void supervisor_node::on_exit(child_key key, std::size_t number, const exit& how) {
  member_ptr m;
  caf::strong_actor_ptr gone; // let go without the lock
  std::shared_ptr<supervisor_node> node;
  bool asked = false;
  {
    const std::lock_guard lock{mutex_};
    const auto known = members_.find(key);
    // The number keeps an end that is told late from being taken for the end of the next
    // incarnation.
    if (over_ || known == members_.end() || known->second->number != number)
      return;
    m = known->second;
    m->why = how.reason;
    gone.swap(m->incarnation);
    node.swap(m->node);
    const auto row = step_->children().find(key);
    asked = row != step_->children().end() && row->second.state == child_state::stopping;
  }
  // Whether it comes back is not decided yet; until then messages wait. The step's `down` refuses
  // them later.
  static_cast<child_handle*>(m->handle->get())->unbind(true);
  // Told before the step goes on, so that the event of a restart never comes before the end it
  // answers.
  tell(asked ? supervision_event_kind::stopped : supervision_event_kind::exited, m,
       render(place_.hub->system(), how.reason));
  drive([&](supervision& step, restart_budget::time_point now) {
    step.exited(key, how.kind, how.death, now);
  });
}

void supervisor_node::ask(child_key key, bool at_once) {
  const auto m = member_of(key);
  if (!m)
    return;
  caf::strong_actor_ptr actor;
  std::shared_ptr<supervisor_node> node;
  {
    const std::lock_guard lock{mutex_};
    actor = m->incarnation;
    node = m->node;
  }
  if (!actor)
    return; // its end is being told
  if (node) {
    node->stop([](answer_kind, const std::string&) {}, at_once);
    return;
  }
  const auto* proxy = dynamic_cast<const process_proxy*>(actor->get());
  const auto process =
    proxy != nullptr && at_once ? place_.hub->process_of(proxy->key().peer) : nullptr;
  no_wait_scope moves_on; // the queue towards a worker that hangs may be full
  if (process)
    process->end_actor(actor, process->grace());
  else
    send_exit(actor, at_once ? caf::exit_reason::kill : caf::exit_reason::user_shutdown);
}

caf::strong_actor_ptr supervisor_node::handle_of(const std::string& id) const {
  const std::lock_guard lock{mutex_};
  const auto known = members_.find(step_->key_of(id));
  return known == members_.end() ? nullptr : known->second->handle;
}

std::shared_ptr<supervisor_node> supervisor_node::below(const std::string& id) const {
  const std::lock_guard lock{mutex_};
  const auto known = members_.find(step_->key_of(id));
  return known == members_.end() ? nullptr : known->second->node;
}

std::vector<child_info> supervisor_node::children() const {
  std::vector<child_info> all;
  const auto keeper = place_.hub->find_names();
  const std::lock_guard lock{mutex_};
  if (over_)
    return all;
  all.reserve(step_->children().size());
  for (const auto& [key, c] : step_->children()) {
    const auto& m = *std::static_pointer_cast<member>(c.rule.what);
    child_info one;
    one.id = c.rule.id;
    one.type = c.rule.type;
    one.restart = c.rule.restart;
    one.status = status_of(c.state);
    one.actor = caf::actor_cast<caf::actor>(m.handle);
    one.incarnation = caf::actor_cast<caf::actor>(m.incarnation);
    one.incarnations = m.number;
    if (m.state && keeper) {
      const auto kept = static_cast<name_desk*>(keeper->get())->states().size_of(*m.state);
      one.snapshots = kept.count;
      one.state_bytes = kept.bytes;
    }
    all.push_back(std::move(one));
  }
  return all;
}

child_spec supervisor_node::next_of_pattern() {
  const std::lock_guard lock{mutex_};
  auto spec = pattern_;
  spec.id += '#' + std::to_string(++made_);
  return spec;
}

} // namespace bulkhead::actors
