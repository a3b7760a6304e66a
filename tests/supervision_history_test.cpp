#include "actors/supervision/restart_budget.hpp"
#include "actors/supervision/supervision.hpp"

#include <doctest/doctest.h>
#include <rapidcheck.h>

#include <algorithm>
#include <deque>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace {

using namespace std::chrono_literals;
using namespace bulkhead;
using namespace bulkhead::actors;
using act = supervision_action::kind;
using time_point = supervision::time_point;

/// Children that take their time and fail as they like; checks each action against the rules.
class history {
public:
  history() : options_(some_options()), rules_(some_rules()), step_(options_, rules_, 1) {
    for (child_key k = 1; k <= rules_.size(); ++k)
      known_[k] = rules_[k - 1];
    ask([&](request_id r) { step_.begin(r, now_); });
  }

  void go() {
    const auto events = *rc::gen::inRange(0, 80);
    for (int i = 0; i < events; ++i) {
      now_ += std::chrono::milliseconds{*rc::gen::inRange(0, 400)};
      one_event();
      look();
    }
    ask([&](request_id r) { step_.stop(r, now_); });
    look();
    for (int i = 0; !step_.ended(); ++i) {
      RC_ASSERT(i < 1000);
      settle();
      look();
    }
    RC_ASSERT(alive_.empty() && starting_.empty());
    for (const auto& [r, n] : answers_)
      RC_ASSERT(n == 1);
  }

private:
  static supervisor_options some_options() {
    supervisor_options o;
    o.strategy =
      *rc::gen::element(restart_strategy::one_for_one, restart_strategy::one_for_all,
                        restart_strategy::rest_for_one, restart_strategy::simple_one_for_one);
    o.max_restarts = *rc::gen::inRange<std::size_t>(0, 5);
    o.within = 2s;
    o.auto_shutdown = *rc::gen::element(auto_shutdown::never, auto_shutdown::any_significant,
                                        auto_shutdown::all_significant);
    if (*rc::gen::arbitrary<bool>())
      o.backoff_initial = 100ms;
    return o;
  }

  child_rule some_rule(std::string id) {
    child_rule r;
    r.id = std::move(id);
    r.restart =
      *rc::gen::element(restart_type::permanent, restart_type::transient, restart_type::temporary);
    r.significant = options_.auto_shutdown != auto_shutdown::never
                    && r.restart != restart_type::permanent && *rc::gen::arbitrary<bool>();
    r.shutdown = *rc::gen::element(shutdown_rule{}, shutdown_rule{300ms}, brutal_kill, infinity);
    return r;
  }

  std::vector<child_rule> some_rules() {
    std::vector<child_rule> all;
    if (options_.strategy == restart_strategy::simple_one_for_one)
      return all;
    const auto n = *rc::gen::inRange(0, 5);
    for (int i = 0; i < n; ++i)
      all.push_back(some_rule(std::to_string(i)));
    return all;
  }

  template <class F>
  void ask(F f) {
    answers_[next_request_] = 0;
    f(next_request_++);
  }

  std::string some_id() { return std::to_string(*rc::gen::inRange(0, 8)); }

  void one_event() {
    switch (*rc::gen::inRange(0, 10)) {
    case 0:
      ask([&](request_id r) { step_.start_child(r, some_rule(some_id()), now_); });
      break;
    case 1:
      ask([&](request_id r) { step_.terminate_child(r, some_id(), now_); });
      break;
    case 2:
      ask([&](request_id r) { step_.restart_child(r, some_id(), now_); });
      break;
    case 3:
      ask([&](request_id r) { step_.delete_child(r, some_id(), now_); });
      break;
    case 4:
      step_.tick(now_);
      break;
    case 5:
    case 6:
      crash_one();
      break;
    default:
      settle();
    }
  }

  void crash_one() {
    if (alive_.empty())
      return;
    const auto who = *rc::gen::elementOf(std::vector<child_key>(alive_.begin(), alive_.end()));
    end_of(who, *rc::gen::element(exit_kind::normal, exit_kind::shutdown, exit_kind::abnormal));
  }

  void end_of(child_key who, exit_kind how) {
    alive_.erase(who);
    asked_to_end_.erase(who);
    step_.exited(who, how, 0, now_);
  }

  /// A child does what was asked; who was not asked for anything does nothing.
  void settle() {
    if (!starting_.empty()) {
      const auto who = *starting_.begin();
      starting_.erase(starting_.begin());
      if (*rc::gen::inRange(0, 4) == 0) {
        step_.start_failed(who, "no", now_);
      } else {
        alive_.insert(who);
        step_.started(who, now_);
      }
    } else if (!asked_to_end_.empty()) {
      end_of(*asked_to_end_.begin(), exit_kind::shutdown);
    }
  }

  void look() {
    for (auto todo = step_.take_actions(); !todo.empty(); todo = step_.take_actions())
      for (const auto& a : todo)
        check(a);
    for (const auto& [key, c] : step_.children())
      known_[key] = c.rule;
  }

  void check(const supervision_action& a) {
    RC_ASSERT(!over_ || a.what == act::answer);
    switch (a.what) {
    case act::start:
      check_start(a.child);
      break;
    case act::ask:
    case act::kill:
      RC_ASSERT(a.what == act::kill || !asked_to_end_.contains(a.child));
      check_stop(a.child);
      break;
    case act::forget:
      RC_ASSERT(!alive_.contains(a.child) && !starting_.contains(a.child));
      gone_.insert(a.child);
      break;
    case act::answer:
      oldest_stopped_ = 0;
      RC_ASSERT(++answers_[a.request] == 1);
      break;
    case act::end:
      over_ = true;
      RC_ASSERT(alive_.empty() && starting_.empty());
      break;
    case act::down:
      RC_ASSERT(!alive_.contains(a.child) && !starting_.contains(a.child));
      break;
    case act::wait:
      break;
    }
  }

  // One at a time, in order, and never somebody that must not come back.
  void check_start(child_key who) {
    const auto& r = step_.children().contains(who) ? step_.children().at(who).rule : known_[who];
    RC_ASSERT(!gone_.contains(who));
    RC_ASSERT(starting_.empty() && !alive_.contains(who));
    starting_.insert(who);
    oldest_stopped_ = 0;
    RC_ASSERT(!(r.restart == restart_type::temporary && ran_.contains(who)));
    ran_.insert(who);
  }

  // The younger goes first, wherever more than one goes.
  void check_stop(child_key who) {
    if (!alive_.contains(who))
      return; // it ended while the order was on its way
    const bool first = asked_to_end_.insert(who).second;
    if (options_.strategy == restart_strategy::simple_one_for_one || !first)
      return;
    RC_ASSERT(asked_to_end_.size() == 1u);
    RC_ASSERT(oldest_stopped_ == 0u || who < oldest_stopped_);
    oldest_stopped_ = who;
  }

  const supervisor_options options_;
  const std::vector<child_rule> rules_;
  time_point now_{1h};
  supervision step_;
  request_id next_request_ = 1;
  std::map<child_key, child_rule> known_;
  std::set<child_key> alive_, starting_, asked_to_end_, gone_, ran_;
  child_key oldest_stopped_ = 0; ///< of a row of stops; 0: a start or an answer came since
  std::map<request_id, int> answers_;
  bool over_ = false;
};

} // namespace

TEST_CASE(
  "whatever happens in whatever order: one answer a request, one step at a time, no ghost") {
  CHECK(rc::check([] { history{}.go(); }));
}

TEST_CASE("no history has more restarts in a period than are allowed") {
  CHECK(rc::check([] {
    supervisor_options o;
    o.max_restarts = *rc::gen::inRange<std::size_t>(0, 4);
    o.within = 1s;
    restart_budget budget{o};
    std::deque<time_point> allowed;
    time_point now{1h};
    for (const auto gap : *rc::gen::container<std::vector<int>>(rc::gen::inRange(0, 900))) {
      now += std::chrono::milliseconds{gap};
      const auto in_period =
        std::count_if(allowed.begin(), allowed.end(), [&](time_point t) { return now - t <= 1s; });
      const bool fine = budget.allows(now, 0);
      RC_ASSERT(fine == (static_cast<std::size_t>(in_period) < o.max_restarts));
      if (fine)
        allowed.push_back(now);
    }
  }));
}
