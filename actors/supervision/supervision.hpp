#pragma once

#include "actors/supervision/restart_budget.hpp"

#include <bulkhead/supervisor_options.hpp>

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <random>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

namespace bulkhead::actors {

using child_key = std::uint64_t;  ///< of one child, never used again; 0: none
using request_id = std::uint64_t; ///< 0: nobody waits for the answer

/// What a supervisor knows of a child without knowing what it is.
struct child_rule {
  std::string id;
  restart_type restart = restart_type::permanent;
  shutdown_rule shutdown;
  child_type type = child_type::worker;
  bool significant = false;
  std::shared_ptr<void> what = {}; ///< for whoever carries the step out
};

enum class child_state : std::uint8_t {
  absent, ///< it does not run: it ended and was not to be restarted, or was terminated
  starting,
  running,
  gone, ///< it has ended, which is dealt with when its turn comes
  stopping,
  restarting, ///< it waits for the next attempt
};

/// How a child ended, as far as it matters.
enum class exit_kind : std::uint8_t { normal, shutdown, abnormal };

/// What came of a request.
enum class answer_kind : std::uint8_t {
  done,
  already_started,
  already_present,
  not_found,
  running,
  restarting,
  start_failed,
  ended, ///< the supervisor
};

/// Why a supervisor ended.
enum class end_kind : std::uint8_t { stopped, automatic, too_many_restarts, start_failed };

/// What whoever drives the step has to do, in order.
struct supervision_action {
  enum class kind : std::uint8_t {
    start,  ///< the child; answered by started() or start_failed()
    ask,    ///< the child to end; answered by exited()
    kill,   ///< it, where asking did not help or is not wanted
    down,   ///< the child has ended and is not to come back, unless somebody asks; nothing to do
    forget, ///< nothing more will ever be said of this child
    wait,   ///< the child's next attempt has to wait for its back-off; nothing to do
    answer, ///< the request
    end,    ///< the supervisor: it has no children any more
  };
  kind what = kind::end;
  child_key child = 0;
  request_id request = 0;
  answer_kind answer = answer_kind::done;
  end_kind why = end_kind::stopped;
  std::string text;
};

/// A supervisor's decisions: a pure step of state, event and time, after Erlang/OTP's supervisor.
/// One thing happens after the other: while children are stopped and started, what comes in
/// between waits for its turn. Each request gets exactly one answer; after `end` nothing happens.
/// Not thread-safe.
class supervision {
public:
  using time_point = restart_budget::time_point;

  struct child {
    child_rule rule;
    child_state state = child_state::absent;
    bool held = false;       ///< terminated by request: its siblings' restarts pass it over
    std::size_t starts = 0;  ///< that succeeded
    std::uint64_t death = 0; ///< of state gone: what ended it
    exit_kind exit{};        ///< of state gone
  };
  using child_map = std::map<child_key, child>; ///< in the order of their start

  /// The rules were checked. `seed` spreads the back-off.
  supervision(const supervisor_options& options, std::vector<child_rule> children,
              std::uint64_t seed);

  /// Starts the children in their order; where one fails the others are stopped, and it ends.
  void begin(request_id request, time_point now);

  void start_child(request_id request, child_rule rule, time_point now);
  void terminate_child(request_id request, const std::string& id, time_point now);
  void restart_child(request_id request, const std::string& id, time_point now);
  void delete_child(request_id request, const std::string& id, time_point now);
  void stop(request_id request, time_point now);
  /// Kills from now on who would be asked, and who was.
  void hurry();

  void started(child_key key, time_point now);
  void start_failed(child_key key, const std::string& why, time_point now);
  /// `death`: see restart_budget::allows.
  void exited(child_key key, exit_kind how, std::uint64_t death, time_point now);
  void tick(time_point now);

  /// When tick() has something to do; max() where it has not.
  time_point next_tick() const;

  std::vector<supervision_action> take_actions();

  const child_map& children() const noexcept { return children_; }
  /// 0 where there is none.
  child_key key_of(const std::string& id) const;
  bool ended() const noexcept { return ended_; }

private:
  enum class purpose : std::uint8_t { none, begin, restart, start, terminate, start_again, end };
  /// One step after the other; the children of one at the same time.
  struct step {
    bool starts = false;
    std::vector<child_key> who;
  };
  /// What waits for its turn.
  struct event {
    enum class kind : std::uint8_t { exit, attempt, proceed, start, terminate, restart, remove };
    kind what = kind::exit;
    child_key key = 0;
    request_id request = 0;
    std::string id = {};
    child_rule rule = {};
  };

  void push(event e, time_point now);
  void advance(time_point now);
  void issue(const step& s, time_point now);
  void issue_start(child_key key);
  void issue_stop(child_key key, time_point now);
  void handle(event& e, time_point now);
  void handle_exit(child_key key, time_point now);
  void handle_request(event& e);
  void finish_plan();
  void finish_end();
  void restart(child_key key, std::uint64_t death, time_point now);
  void plan(purpose why, request_id asker, child_key subject);
  void plan_restart(child_key key);
  void plan_end(end_kind why, std::string text);
  void stopped(child_key key);
  void forget(child_key key);
  void after_end_of_significant();
  child* row(child_key key);
  child_key add(child_rule rule);
  void act(supervision_action::kind what, child_key key);
  void answer(request_id request, answer_kind what, const std::string& text = {});

  const restart_strategy strategy_;
  const auto_shutdown auto_shutdown_;
  const std::size_t max_restarts_;
  restart_budget budget_;
  std::minstd_rand random_;
  child_map children_;
  std::unordered_map<std::string, child_key> keys_;
  std::map<child_key, time_point> due_; ///< of those that stop: to be killed; restart: to be tried
  child_key next_key_ = 1;

  purpose purpose_ = purpose::none;
  request_id asker_ = 0;  ///< of the plan
  child_key subject_ = 0; ///< of the plan
  std::deque<step> plan_;
  std::set<child_key> waits_for_; ///< of the step in hand
  std::deque<event> later_;
  std::vector<request_id> stop_requests_;
  request_id begin_request_ = 0; ///< while a failed begin ends
  end_kind why_ended_ = end_kind::stopped;
  std::string end_text_;
  bool ended_ = false;
  std::vector<supervision_action> actions_;
};

} // namespace bulkhead::actors
