#include "actors/supervision/supervisor_node.hpp"

#include "actors/caf/failure_error.hpp"
#include "actors/names/name_table.hpp"
#include "actors/supervision/spec_faults.hpp"
#include "actors/supervision/supervisor_front.hpp"

#include <bulkhead/error.hpp>

#include <caf/actor_cast.hpp>

#include <cstdio>
#include <exception>
#include <random>
#include <utility>

// Threads of users, the runtime thread, the hub's launch and callback threads all come here. Each
// changes the step under the mutex, appends the actions to `todo_`, and the first of them carries
// out all, one after the other, without the mutex. So actions keep the order in which the step gave
// them, and no two threads start and stop the same child at once.
namespace bulkhead::actors {

namespace {

caf::error ended_error(failure_kind kind, const std::string& text) {
  failure f;
  f.kind = kind;
  f.message = text;
  return to_error(f);
}

child_rule bare_rule(const child_spec& spec) {
  child_rule r;
  r.id = spec.id;
  r.restart = spec.restart;
  r.shutdown = spec.shutdown;
  r.significant = spec.significant;
  if (spec.start.state())
    r.type = spec.start.state()->type;
  return r;
}

std::vector<child_rule> bare_rules(const std::vector<child_spec>& specs) {
  std::vector<child_rule> all;
  all.reserve(specs.size());
  for (const auto& spec : specs)
    all.push_back(bare_rule(spec));
  return all;
}

std::string faults_of_start(const supervision_place& place, const child_spec& spec,
                            const std::string& path);

// Whether it is taken shows when the child starts.
std::string faults_of_name(const supervisor_options& options, const child_spec& spec,
                           const std::string& path) {
  if (spec.name.empty())
    return {};
  if (options.strategy == restart_strategy::simple_one_for_one)
    return "'" + path + "': child_spec::name is '" + spec.name
           + "', but a pattern has many children; leave it empty\n";
  // A table of its own knows the rule for names; asking the real one would register the name.
  if (name_table{}.add(spec.name, {}) == name_table::outcome::bad_name)
    return "'" + path + "': child_spec::name has " + std::to_string(spec.name.size())
           + " bytes; allowed: 1 to " + std::to_string(name_table::longest_name)
           + " without control characters, or an empty one for none\n";
  return {};
}

std::string faults_of_replay(const child_spec& spec, const std::string& path) {
  if (spec.replayed_messages == 0)
    return {};
  const auto given =
    "'" + path + "': child_spec::replayed_messages is " + std::to_string(spec.replayed_messages);
  if (!BULKHEAD_CAF_0)
    return given + ", which needs CAF 0.17; leave it 0\n";
  if (spec.state_limit == 0)
    return given
           + ", but messages are replayed until a snapshot contains them: set state_limit "
             "too, or leave it 0\n";
  return {};
}

std::string faults_of_state(const child_spec& spec, const std::string& path) {
  constexpr std::size_t most = std::size_t{64} << 20;
  const auto& start = spec.start.state();
  if (spec.state_limit == 0 || !start)
    return {};
  if (spec.state_limit > most)
    return "'" + path + "': child_spec::state_limit is " + std::to_string(spec.state_limit)
           + " bytes; allowed: 1 to " + std::to_string(most) + ", or 0 for none\n";
  if (start->make || start->type == child_type::supervisor)
    return "'" + path
           + "': child_spec::state_limit applies to actors in workers only; leave it 0\n";
  const auto n = start->arguments.size();
  if (n == 0 || !start->arguments.match_element<std::string>(n - 1))
    return "'" + path
           + "': child_spec::state_limit needs a behaviour whose last argument is a std::string: "
             "the last snapshot; pass the first one (an empty text) to child()\n";
  return {};
}

std::string faults_of_all(const supervision_place& place, const supervisor_options& options,
                          const std::vector<child_spec>& specs, const std::string& path) {
  auto faults = faults_of(options, bare_rules(specs));
  if (!faults.empty())
    faults = "supervisor '" + path + "':\n" + faults;
  for (const auto& spec : specs) {
    faults += faults_of_name(options, spec, path + '/' + spec.id);
    faults += faults_of_state(spec, path + '/' + spec.id);
    faults += faults_of_replay(spec, path + '/' + spec.id);
    faults += faults_of_start(place, spec, path + '/' + spec.id);
  }
  return faults;
}

std::string faults_of_start(const supervision_place& place, const child_spec& spec,
                            const std::string& path) {
  if (spec.id.find('/') != std::string::npos)
    return "'" + path + "': the id '" + spec.id + "' contains '/', which separates ids in a path\n";
  const auto& start = spec.start.state();
  if (!start)
    return "'" + path + "': child_spec::start is empty; make it with child() or host_child()\n";
  if (start->make)
    return {};
  if (start->type == child_type::supervisor)
    return faults_of_all(place, start->options, start->children, path);
  try {
    if (const auto group = place.group.lock())
      group->check(start->where, start->how);
  } catch (const config_error& e) {
    return "'" + path + "': " + e.what() + '\n';
  }
  return {};
}

} // namespace

std::shared_ptr<supervisor_node> supervisor_node::make(const supervision_place& place,
                                                       const supervisor_options& options,
                                                       const std::vector<child_spec>& children,
                                                       const std::string& above,
                                                       end_handler on_end) {
  auto name = above.empty() ? options.name : above + '/' + options.name;
  // The faults of the levels below were told by the topmost one, before anything was started.
  if (above.empty())
    if (const auto faults = faults_of_all(place, options, children, name); !faults.empty())
      throw config_error("bulkhead::supervisor: nothing was started\n" + faults);
  auto own = place;
  if (!options.journal.empty())
    own.journal = snapshot_store::of(options.journal);
  std::shared_ptr<supervisor_node> made{
    new supervisor_node(own, options, std::move(name), std::move(on_end))};
  // Not in the constructor: its callbacks hold a weak pointer to it, which does not exist there
  // yet.
  made->take(children);
  return made;
}

supervisor_node::supervisor_node(const supervision_place& place, const supervisor_options& options,
                                 std::string name, end_handler on_end)
  : place_(place), options_(options), name_(std::move(name)), on_end_(std::move(on_end)) {}

supervisor_node::~supervisor_node() = default;

void supervisor_node::take(const std::vector<child_spec>& children) {
  auto& system = place_.hub->system();
  front_ = make_proxy<supervisor_front>(system, system.next_actor_id(), system.node(),
                                        [weak = weak_from_this()](const caf::error& why) {
                                          if (auto self = weak.lock())
                                            self->stop([](answer_kind, const std::string&) {},
                                                       why == caf::exit_reason::kill);
                                        });
  std::vector<child_rule> rules;
  // Its single spec is the pattern, and nothing runs before somebody asks for a child.
  if (options_.strategy == restart_strategy::simple_one_for_one) {
    pattern_ = children.front();
  } else {
    rules.reserve(children.size());
    for (const auto& spec : children)
      rules.push_back(rule_for(spec));
  }
  step_ = std::make_unique<supervision>(options_, std::move(rules), std::random_device{}());
  for (const auto& [key, c] : step_->children())
    members_[key] = std::static_pointer_cast<member>(c.rule.what);
}

child_rule supervisor_node::rule_for(const child_spec& spec) {
  auto& system = place_.hub->system();
  const auto m = std::make_shared<member>();
  m->spec = spec;
  m->handle = make_proxy<child_handle>(
    system, system.next_actor_id(), system.node(), place_.hub, name_ + '/' + spec.id,
    child_handle::bounds{spec.held_messages, spec.replayed_messages});
  if (spec.state_limit != 0)
    m->state = make_kept_state(spec.state_limit, place_.journal, name_ + '/' + spec.id);
  if (spec.replayed_messages != 0)
    m->state->on_contained = [weak = caf::actor_cast<caf::weak_actor_ptr>(m->handle)](auto number) {
      if (const auto handle = weak.lock())
        static_cast<child_handle*>(handle->get())->contained(number);
    };
  auto rule = bare_rule(spec);
  rule.what = m;
  return rule;
}

void supervisor_node::request(answer_handler done, const step_call& f) {
  request_id id = 0;
  answer_handler too_late;
  {
    const std::lock_guard lock{mutex_};
    // Whether it is over and the entry of the request belong under one lock: end() answers exactly
    // what it finds in the table.
    if (over_) {
      too_late = std::move(done);
    } else {
      id = ++requests_;
      asked_[id] = std::move(done);
    }
  }
  if (too_late)
    too_late(answer_kind::ended, {});
  else
    drive([&](supervision& step, restart_budget::time_point now) { f(step, id, now); });
}

void supervisor_node::begin(answer_handler done) {
  request(std::move(done), [](auto& step, auto id, auto now) { step.begin(id, now); });
}

caf::strong_actor_ptr supervisor_node::start_child(const child_spec& spec, answer_handler done) {
  auto faults = faults_of(options_, bare_rule(spec));
  faults += faults_of_name(options_, spec, name_ + '/' + spec.id);
  faults += faults_of_state(spec, name_ + '/' + spec.id);
  faults += faults_of_replay(spec, name_ + '/' + spec.id);
  faults += faults_of_start(place_, spec, name_ + '/' + spec.id);
  if (!faults.empty())
    throw config_error("supervisor::start_child: nothing was started\n" + faults);
  const auto rule = rule_for(spec);
  auto handle = std::static_pointer_cast<member>(rule.what)->handle;
  request(std::move(done), [&](auto& step, auto id, auto now) { step.start_child(id, rule, now); });
  return handle;
}

void supervisor_node::terminate_child(const std::string& child, answer_handler done) {
  request(std::move(done),
          [&](auto& step, auto id, auto now) { step.terminate_child(id, child, now); });
}

void supervisor_node::restart_child(const std::string& child, answer_handler done) {
  request(std::move(done),
          [&](auto& step, auto id, auto now) { step.restart_child(id, child, now); });
}

void supervisor_node::delete_child(const std::string& child, answer_handler done) {
  request(std::move(done),
          [&](auto& step, auto id, auto now) { step.delete_child(id, child, now); });
}

void supervisor_node::stop(answer_handler done, bool at_once) {
  request(std::move(done), [at_once](auto& step, auto id, auto now) {
    if (at_once)
      step.hurry();
    step.stop(id, now);
  });
}

void supervisor_node::drive(
  const std::function<void(supervision&, restart_budget::time_point)>& f) {
  const auto self = shared_from_this(); // what follows may let go of it
  {
    const std::lock_guard lock{mutex_};
    if (over_)
      return;
    f(*step_, actor_process::clock::now());
    for (auto& a : step_->take_actions())
      todo_.push_back(std::move(a));
    // Whoever drives sees what was added before it lets go of driving_, under this mutex.
    if (driving_)
      return;
    driving_ = true;
  }
  carry_out_all();
}

void supervisor_node::carry_out_all() {
  for (;;) {
    supervision_action next;
    {
      const std::lock_guard lock{mutex_};
      if (todo_.empty()) {
        driving_ = false;
        // In the same hold of the mutex in which driving_ falls: the next event may change when to
        // tick.
        plan_tick();
        return;
      }
      next = std::move(todo_.front());
      todo_.pop_front();
    }
    carry_out(next);
  }
}

// An earlier timer stays where it is; it finds nothing due, and plans the next one. A timer for
// each deadline would cost one for each child that stops.
// With the lock.
void supervisor_node::plan_tick() {
  const auto at = step_->next_tick();
  if (over_ || at >= next_tick_)
    return;
  next_tick_ = at;
  place_.hub->thread()->at(at, [weak = weak_from_this()] {
    const auto self = weak.lock();
    if (!self)
      return;
    {
      const std::lock_guard lock{self->mutex_};
      self->next_tick_ = restart_budget::time_point::max();
    }
    self->drive([](supervision& step, restart_budget::time_point now) { step.tick(now); });
  });
}

void supervisor_node::carry_out(const supervision_action& a) {
  using kind = supervision_action::kind;
  switch (a.what) {
  case kind::start:
    launch(a.child);
    break;
  case kind::ask:
  case kind::kill:
    ask(a.child, a.what == kind::kill);
    break;
  case kind::down:
    if (const auto m = member_of(a.child))
      static_cast<child_handle*>(m->handle->get())->unbind(false);
    break;
  case kind::forget:
    forget(a.child);
    break;
  case kind::wait:
    if (const auto m = member_of(a.child))
      tell(supervision_event_kind::restarting, m, "its restart waits for the back-off");
    break;
  case kind::answer:
    answer(a);
    break;
  case kind::end:
    finish(a);
    break;
  }
}

supervisor_node::member_ptr supervisor_node::member_of(child_key key) const {
  const std::lock_guard lock{mutex_};
  const auto known = members_.find(key);
  return known == members_.end() ? nullptr : known->second;
}

void supervisor_node::forget(child_key key) {
  member_ptr gone;
  {
    const std::lock_guard lock{mutex_};
    const auto known = members_.find(key);
    if (known == members_.end())
      return;
    gone = std::move(known->second);
    members_.erase(known);
  }
  static_cast<child_handle*>(gone->handle->get())->end(gone->why);
}

void supervisor_node::answer(const supervision_action& a) {
  answer_handler done;
  {
    const std::lock_guard lock{mutex_};
    const auto known = asked_.find(a.request);
    if (known == asked_.end())
      return;
    done = std::move(known->second);
    asked_.erase(known);
  }
  done(a.answer, a.text);
}

// over_ is set first: what the callbacks below lead to must find it ended. The one above hears of
// it last, when its observers and the user's events were told.
void supervisor_node::finish(const supervision_action& a) {
  using kind = supervision_event_kind;
  {
    const std::lock_guard lock{mutex_};
    over_ = true;
  }
  const bool failed = a.why == end_kind::too_many_restarts || a.why == end_kind::start_failed;
  if (a.why == end_kind::too_many_restarts)
    tell(kind::gave_up, nullptr, a.text);
  tell(kind::ended, nullptr, a.text);
  const auto reason = failed ? ended_error(failure_kind::pool_broken,
                                           "the supervisor '" + name_ + "' gave up: " + a.text)
                             : make_error(caf::exit_reason::user_shutdown);
  static_cast<proxy_base*>(front_->get())->kill(reason);
  if (on_end_)
    on_end_(reason);
}

// Nothing is asked or waited for here: the caller kills the processes. What has to happen is that
// every handle goes down and every caller that waits is answered, since no step does it any more.
void supervisor_node::end() noexcept {
  std::map<child_key, member_ptr> members;
  std::map<request_id, answer_handler> asked;
  {
    const std::lock_guard lock{mutex_};
    over_ = true;
    members.swap(members_);
    asked.swap(asked_);
  }
  const auto why = ended_error(failure_kind::pool_closed, "the pool of the supervisor has ended");
  for (const auto& [key, m] : members) {
    // Below first, so that no supervisor hears of the end of a child before the child's own users
    // do.
    if (m->node)
      m->node->end();
    static_cast<child_handle*>(m->handle->get())->end(why);
  }
  static_cast<proxy_base*>(front_->get())->kill(why);
  for (const auto& [id, done] : asked)
    done(answer_kind::ended, "the pool of the supervisor has ended");
}

void supervisor_node::tell(supervision_event_kind kind, const member_ptr& m,
                           const std::string& text) const {
  if (!options_.on_event)
    return;
  supervision_event e{kind, name_, {}, 0, text};
  if (m) {
    e.child = m->spec.id;
    const std::lock_guard lock{mutex_};
    e.incarnation = m->number;
  }
  try {
    place_.hub->call_back([f = options_.on_event, e] { f(e); });
  } catch (const std::exception& x) { // news only
    std::fprintf(stderr, "bulkhead: an event is lost: %s\n", x.what());
  }
}

} // namespace bulkhead::actors
