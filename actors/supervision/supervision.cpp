#include "actors/supervision/supervision.hpp"

#include <algorithm>
#include <iterator>
#include <utility>

// One plan at a time. A plan is a list of steps, a step waits until all its children have answered
// (`waits_for_`), and whatever comes meanwhile waits in `later_`. advance() is the only place that
// goes on, and every event ends in it. The caller holds the node's mutex; nothing here has one.
namespace bulkhead::actors {

namespace {

constexpr std::chrono::seconds worker_patience{5};

bool at_once(const child_rule& r) { return r.shutdown.how() == shutdown_rule::kind::brutal_kill; }

/// When a child that was asked now is killed; max(): never.
restart_budget::time_point deadline_of(const child_rule& r, restart_budget::time_point now) {
  const auto never = restart_budget::time_point::max();
  const bool by_type = r.shutdown.how() == shutdown_rule::kind::by_type;
  if (r.shutdown.how() == shutdown_rule::kind::infinity
      || (by_type && r.type == child_type::supervisor))
    return never;
  const auto after = by_type ? std::chrono::nanoseconds{worker_patience} : r.shutdown.after();
  // A deadline beyond what the clock can tell would overflow into the past and kill at once.
  return after > never - now ? never : now + after;
}

} // namespace

supervision::supervision(const supervisor_options& options, std::vector<child_rule> children,
                         std::uint64_t seed)
  : strategy_(options.strategy), auto_shutdown_(options.auto_shutdown),
    max_restarts_(options.max_restarts), budget_(options),
    random_(static_cast<std::minstd_rand::result_type>(seed)) {
  for (auto& rule : children)
    add(std::move(rule));
}

void supervision::begin(request_id request, time_point now) {
  plan(purpose::begin, request, 0);
  // One step for each child: a child starts when the one before it runs, as its spec may rely on
  // it.
  for (const auto& [key, c] : children_)
    plan_.push_back({true, {key}});
  advance(now);
}

void supervision::start_child(request_id request, child_rule rule, time_point now) {
  push({event::kind::start, 0, request, {}, std::move(rule)}, now);
}

void supervision::terminate_child(request_id request, const std::string& id, time_point now) {
  push({event::kind::terminate, 0, request, id}, now);
}

void supervision::restart_child(request_id request, const std::string& id, time_point now) {
  push({event::kind::restart, 0, request, id}, now);
}

void supervision::delete_child(request_id request, const std::string& id, time_point now) {
  push({event::kind::remove, 0, request, id}, now);
}

void supervision::stop(request_id request, time_point now) {
  if (ended_) {
    answer(request, answer_kind::done);
    return;
  }
  stop_requests_.push_back(request);
  // Who stops it a second time gets the answer of the end that is on its way.
  if (purpose_ != purpose::end)
    plan_end(end_kind::stopped, {});
  advance(now);
}

// The rule is changed, not only the state: a child that is still starting is killed in its turn,
// too.
void supervision::hurry() {
  for (auto& [key, c] : children_) {
    c.rule.shutdown = brutal_kill;
    if (c.state == child_state::stopping)
      act(supervision_action::kind::kill, key);
  }
}

// A child that is not starting is not known to have been asked for: an answer that comes after the
// end of its attempt changes nothing.
void supervision::started(child_key key, time_point now) {
  auto* c = row(key);
  if (c == nullptr || c->state != child_state::starting)
    return;
  c->state = child_state::running;
  ++c->starts;
  waits_for_.erase(key);
  advance(now);
}

void supervision::start_failed(child_key key, const std::string& why, time_point now) {
  auto* c = row(key);
  if (c == nullptr || c->state != child_state::starting)
    return;
  waits_for_.erase(key);
  c->state = child_state::absent;
  switch (purpose_) {
  case purpose::begin:
    plan_end(end_kind::start_failed, "child '" + c->rule.id + "' did not start: " + why);
    break;
  // The attempt counts against the intensity like any restart, so a child that can never start ends
  // the supervisor and does not loop. It goes behind what waits already: a request to terminate it
  // that was made meanwhile wins.
  case purpose::restart: // the rest of the plan belongs to the next attempt
    c->state = child_state::restarting;
    plan_.clear();
    purpose_ = purpose::none;
    later_.push_back({event::kind::attempt, key});
    break;
  case purpose::start:
  case purpose::start_again:
    // A new child that did not start leaves no spec behind; one that was restarted by hand keeps
    // its own.
    if (std::exchange(purpose_, purpose::none) == purpose::start)
      forget(key);
    answer(std::exchange(asker_, 0), answer_kind::start_failed, why);
    break;
  default:
    break;
  }
  advance(now);
}

void supervision::exited(child_key key, exit_kind how, std::uint64_t death, time_point now) {
  auto* c = row(key);
  if (c == nullptr)
    return;
  // An end that was asked for is none that a restart type decides on.
  if (c->state == child_state::stopping) {
    waits_for_.erase(key);
    stopped(key);
    advance(now);
  } else if (c->state == child_state::running) {
    c->state = child_state::gone;
    c->exit = how;
    c->death = death;
    // The restart waits for its turn like all else: within a plan this child may be stopped or
    // started anyway.
    if (purpose_ != purpose::end) // there its turn to be stopped finds it gone
      push({event::kind::exit, key}, now);
  }
}

void supervision::tick(time_point now) {
  for (auto i = due_.begin(); i != due_.end();) {
    const auto [key, at] = *i;
    if (at > now) {
      ++i;
      continue;
    }
    i = due_.erase(i);
    // Every entry of due_ has its row: forget() takes both away.
    if (row(key)->state == child_state::stopping)
      act(supervision_action::kind::kill, key);
    else
      later_.push_back({event::kind::proceed, key});
  }
  advance(now);
}

supervision::time_point supervision::next_tick() const {
  auto first = time_point::max();
  for (const auto& [key, at] : due_)
    first = std::min(first, at);
  return first;
}

std::vector<supervision_action> supervision::take_actions() { return std::exchange(actions_, {}); }

child_key supervision::key_of(const std::string& id) const {
  const auto known = keys_.find(id);
  return known == keys_.end() ? 0 : known->second;
}

void supervision::push(event e, time_point now) {
  // After the end was decided nothing may begin, and each request still gets its one answer.
  if (ended_ || purpose_ == purpose::end) {
    answer(e.request, answer_kind::ended);
    return;
  }
  later_.push_back(std::move(e));
  advance(now);
}

// Plans come before events, and a plan is finished before the next one begins. It loops and does
// not recurse, since a step whose children are all gone already waits for nobody.
void supervision::advance(time_point now) {
  while (!ended_ && waits_for_.empty()) {
    if (!plan_.empty()) {
      const auto next = std::move(plan_.front());
      plan_.pop_front();
      issue(next, now);
    } else if (purpose_ != purpose::none) {
      finish_plan();
    } else if (!later_.empty()) {
      auto e = std::move(later_.front());
      later_.pop_front();
      handle(e, now);
    } else {
      return;
    }
  }
}

void supervision::issue(const step& s, time_point now) {
  for (const auto key : s.who)
    if (s.starts)
      issue_start(key);
    else
      issue_stop(key, now);
}

void supervision::issue_start(child_key key) {
  auto* c = row(key);
  if (c == nullptr)
    return;
  c->state = child_state::starting;
  waits_for_.insert(key);
  act(supervision_action::kind::start, key);
}

void supervision::issue_stop(child_key key, time_point now) {
  auto* c = row(key);
  if (c == nullptr)
    return;
  // It has ended, waits for its back-off or never ran: there is nobody to ask, and no exit will
  // come.
  if (c->state != child_state::running) {
    stopped(key);
    return;
  }
  c->state = child_state::stopping;
  waits_for_.insert(key);
  const auto by = deadline_of(c->rule, now);
  if (!at_once(c->rule) && by != time_point::max())
    due_[key] = by;
  // The state is `stopping` before the action is given, since its exit may be told while others are
  // being carried out.
  act(at_once(c->rule) ? supervision_action::kind::kill : supervision_action::kind::ask, key);
}

void supervision::handle(event& e, time_point now) {
  switch (e.what) {
  case event::kind::exit:
    handle_exit(e.key, now);
    break;
  case event::kind::attempt:
  case event::kind::proceed: {
    const auto* c = row(e.key);
    // An attempt is stale when the child was restarted along with a sibling, terminated or
    // forgotten, or when a later back-off runs for it.
    if (c == nullptr || c->state != child_state::restarting || due_.contains(e.key))
      return; // somebody else's restart or a request has dealt with it
    if (e.what == event::kind::attempt)
      restart(e.key, 0, now);
    else
      plan_restart(e.key);
    break;
  }
  default:
    handle_request(e);
  }
}

// Only a child that is still `gone` is dealt with: a sibling's restart may have stopped and started
// it since its end was noted, and then it must not be restarted a second time.
void supervision::handle_exit(child_key key, time_point now) {
  auto* c = row(key);
  if (c == nullptr || c->state != child_state::gone)
    return;
  const bool clean = c->exit != exit_kind::abnormal;
  const auto type = c->rule.restart;
  if (type == restart_type::permanent || (type == restart_type::transient && !clean)) {
    restart(key, c->death, now);
    return;
  }
  // Read before: stopped() forgets a temporary child together with its rule.
  const bool significant = c->rule.significant;
  stopped(key);
  if (significant)
    after_end_of_significant();
}

// Each branch either answers at once or makes a plan, whose end answers; none does both.
void supervision::handle_request(event& e) {
  if (e.what == event::kind::start) {
    if (const auto known = key_of(e.rule.id); known != 0) {
      const bool absent = row(known)->state == child_state::absent;
      answer(e.request, absent ? answer_kind::already_present : answer_kind::already_started);
      return;
    }
    const auto key = add(std::move(e.rule));
    plan(purpose::start, e.request, key);
    plan_.push_back({true, {key}});
    return;
  }
  const auto key = key_of(e.id);
  auto* c = row(key);
  if (c == nullptr) {
    answer(e.request, answer_kind::not_found);
  } else if (e.what == event::kind::terminate) {
    plan(purpose::terminate, e.request, key);
    plan_.push_back({false, {key}});
  } else if (c->state != child_state::absent) {
    const bool waits = c->state == child_state::restarting;
    answer(e.request, waits ? answer_kind::restarting : answer_kind::running);
  } else if (e.what == event::kind::restart) {
    plan(purpose::start_again, e.request, key);
    plan_.push_back({true, {key}});
  } else {
    forget(key);
    answer(e.request, answer_kind::done);
  }
}

void supervision::finish_plan() {
  const auto done = std::exchange(purpose_, purpose::none);
  const auto asker = std::exchange(asker_, 0);
  if (done == purpose::end) {
    finish_end();
    return;
  }
  auto* c = row(subject_);
  // A temporary child is forgotten by now, and then there is nothing to hold down.
  if (done == purpose::terminate && c != nullptr)
    c->held = true;
  if (done == purpose::start_again && c != nullptr)
    c->held = false;
  answer(asker, answer_kind::done);
}

void supervision::finish_end() {
  // Backwards, as they were stopped; each handle is told before the supervisor's own end is.
  while (!children_.empty())
    forget(children_.rbegin()->first);
  ended_ = true;
  // The end is told before its answers: whoever waits in stop() returns to a supervisor that is
  // over.
  supervision_action over;
  over.why = why_ended_;
  over.text = end_text_;
  actions_.push_back(over);
  answer(begin_request_,
         why_ended_ == end_kind::start_failed ? answer_kind::start_failed : answer_kind::ended,
         end_text_);
  for (const auto request : std::exchange(stop_requests_, {}))
    answer(request, answer_kind::done);
}

void supervision::restart(child_key key, std::uint64_t death, time_point now) {
  auto* c = row(key);
  c->state = child_state::restarting;
  // The state says `restarting` already, so the end that is planned now finds nobody to ask here.
  if (!budget_.allows(now, death)) {
    plan_end(end_kind::too_many_restarts,
             "child '" + c->rule.id + "' would have to be restarted more than "
               + std::to_string(max_restarts_) + " times within the period");
    return;
  }
  const auto wait = budget_.back_off(std::uniform_real_distribution{0.0, 1.0}(random_));
  if (wait.count() == 0) {
    plan_restart(key);
    return;
  }
  due_[key] = now + wait;
  act(supervision_action::kind::wait, key);
}

void supervision::plan(purpose why, request_id asker, child_key subject) {
  purpose_ = why;
  asker_ = asker;
  subject_ = subject;
  plan_.clear();
}

// First all stops, from the last child backwards, then all starts, forwards: the order in which
// each may rely on those before it. A temporary child is stopped with its siblings and never
// started again.
void supervision::plan_restart(child_key key) {
  plan(purpose::restart, 0, key);
  auto first = children_.find(key);
  auto last = std::next(first);
  if (strategy_ == restart_strategy::one_for_all)
    first = children_.begin();
  if (strategy_ == restart_strategy::one_for_all || strategy_ == restart_strategy::rest_for_one)
    last = children_.end();
  for (auto i = last; i != first;) {
    --i;
    if (i->first != key)
      plan_.push_back({false, {i->first}});
  }
  for (auto i = first; i != last; ++i)
    if (i->second.rule.restart != restart_type::temporary && !i->second.held)
      plan_.push_back({true, {i->first}});
}

// A step in hand is waited for: what it starts is stopped in its turn.
void supervision::plan_end(end_kind why, std::string text) {
  // Whoever waits in begin() has to hear why it failed, and only after everything was stopped
  // again.
  if (purpose_ == purpose::begin)
    begin_request_ = std::exchange(asker_, 0);
  answer(std::exchange(asker_, 0), answer_kind::ended);
  for (auto& e : std::exchange(later_, {}))
    answer(e.request, answer_kind::ended);
  plan(purpose::end, 0, 0);
  why_ended_ = why;
  end_text_ = std::move(text);
  step all;
  // Children of one pattern do not rely on each other, so they are stopped together: thousands of
  // them, one after the other, would take the sum of their deadlines.
  for (auto i = children_.rbegin(); i != children_.rend(); ++i)
    if (strategy_ == restart_strategy::simple_one_for_one)
      all.who.push_back(i->first);
    else
      plan_.push_back({false, {i->first}});
  if (!all.who.empty())
    plan_.push_back(std::move(all));
}

// A child of a simple_one_for_one supervisor has no spec of its own that would outlive it.
void supervision::stopped(child_key key) {
  auto* c = row(key);
  due_.erase(key);
  c->state = child_state::absent;
  // A child that comes back within this restart is not called down: its handle goes on to keep
  // messages.
  if (c->rule.restart == restart_type::temporary
      || strategy_ == restart_strategy::simple_one_for_one)
    forget(key);
  else if (purpose_ != purpose::restart)
    act(supervision_action::kind::down, key);
}

void supervision::forget(child_key key) {
  const auto gone = children_.find(key);
  keys_.erase(gone->second.rule.id);
  children_.erase(gone);
  due_.erase(key);
  act(supervision_action::kind::forget, key);
}

void supervision::after_end_of_significant() {
  const auto remains = [](const auto& entry) {
    return entry.second.rule.significant && entry.second.state != child_state::absent;
  };
  if (auto_shutdown_ == auto_shutdown::never
      || (auto_shutdown_ == auto_shutdown::all_significant
          && std::any_of(children_.begin(), children_.end(), remains)))
    return;
  plan_end(end_kind::automatic, "its significant children have ended");
}

supervision::child* supervision::row(child_key key) {
  const auto known = children_.find(key);
  return known == children_.end() ? nullptr : &known->second;
}

child_key supervision::add(child_rule rule) {
  const auto key = next_key_++;
  keys_[rule.id] = key;
  children_[key].rule = std::move(rule);
  return key;
}

void supervision::act(supervision_action::kind what, child_key key) {
  supervision_action a;
  a.what = what;
  a.child = key;
  actions_.push_back(std::move(a));
}

void supervision::answer(request_id request, answer_kind what, const std::string& text) {
  if (request == 0)
    return;
  supervision_action a;
  a.what = supervision_action::kind::answer;
  a.request = request;
  a.answer = what;
  a.text = text;
  actions_.push_back(std::move(a));
}

} // namespace bulkhead::actors
