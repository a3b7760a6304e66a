#pragma once

#include "actors/host/actor_group.hpp"
#include "actors/host/actor_hub.hpp"
#include "actors/names/state_keeper.hpp"
#include "actors/supervision/child_handle.hpp"
#include "actors/supervision/supervision.hpp"

#include <bulkhead/supervisor.hpp>

#include <caf/error.hpp>
#include <caf/exit_reason.hpp>

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

namespace bulkhead::actors {

/// Where a tree of supervisors lives.
struct supervision_place {
  std::shared_ptr<actor_hub> hub;
  std::weak_ptr<actor_group> group;
  std::shared_ptr<snapshot_store> journal = {}; ///< of the supervisor above; null: none
};

/// Carries out what a supervisor's step decides, with real actors. Events come from any thread; one
/// thread at a time does what they lead to, and none of it blocks. Thread-safe.
class supervisor_node final : public endable, public std::enable_shared_from_this<supervisor_node> {
public:
  /// Runs once, in any thread, when it has ended.
  using end_handler = std::function<void(const caf::error& reason)>;
  using answer_handler = std::function<void(answer_kind, const std::string& text)>;

  /// Throws config_error for faulty specs, of all levels at once. Nothing is started yet.
  static std::shared_ptr<supervisor_node> make(const supervision_place& place,
                                               const supervisor_options& options,
                                               const std::vector<child_spec>& children,
                                               const std::string& above, end_handler on_end);
  ~supervisor_node() override;

  /// Each calls `done` once, in any thread, at the latest when it has ended.
  void begin(answer_handler done);
  /// The handle of the new child. Throws config_error.
  caf::strong_actor_ptr start_child(const child_spec& spec, answer_handler done);
  void terminate_child(const std::string& id, answer_handler done);
  void restart_child(const std::string& id, answer_handler done);
  void delete_child(const std::string& id, answer_handler done);
  void stop(answer_handler done, bool at_once = false);

  /// At once, without waiting: its system or pool ends.
  void end() noexcept override;

  const caf::strong_actor_ptr& front() const noexcept { return front_; }
  const supervisor_options& options() const noexcept { return options_; }
  const std::string& name() const noexcept { return name_; }
  /// Null where there is none.
  caf::strong_actor_ptr handle_of(const std::string& id) const;
  /// The supervisor that is this child now; null where there is none.
  std::shared_ptr<supervisor_node> below(const std::string& id) const;
  std::vector<child_info> children() const;
  /// The only spec of a simple_one_for_one supervisor, under the next id.
  child_spec next_of_pattern();

private:
  /// A child, all its incarnations.
  struct member {
    child_spec spec;
    caf::strong_actor_ptr handle;
    std::shared_ptr<kept_state> state; ///< null where it keeps none
    bool named = false;                ///< by whoever launches it, one at a time
    caf::strong_actor_ptr incarnation; ///< what follows: guarded by the node's mutex
    std::shared_ptr<supervisor_node> node;
    std::size_t number = 0;                                       ///< of the incarnation
    caf::error why = make_error(caf::exit_reason::user_shutdown); ///< how the last one ended
  };
  using member_ptr = std::shared_ptr<member>;

  supervisor_node(const supervision_place& place, const supervisor_options& options,
                  std::string name, end_handler on_end);
  void take(const std::vector<child_spec>& children);
  child_rule rule_for(const child_spec& spec);
  using step_call = std::function<void(supervision&, request_id, restart_budget::time_point)>;
  void request(answer_handler done, const step_call& f);
  void drive(const std::function<void(supervision&, restart_budget::time_point)>& f);
  void carry_out_all();
  void carry_out(const supervision_action& a);
  void plan_tick();
  member_ptr member_of(child_key key) const;

  void launch(child_key key);
  void give_name(const member_ptr& m);
  caf::message arguments_of(const member& m) const;
  void attach_state(const member_ptr& m, const caf::strong_actor_ptr& actor);
  void launch_worker(child_key key, const member_ptr& m);
  void launch_made(child_key key, const member_ptr& m);
  void launch_node(child_key key, const member_ptr& m);
  void on_started(child_key key, const member_ptr& m, const caf::strong_actor_ptr& actor);
  void on_start_failed(child_key key, const member_ptr& m, const std::string& why);
  struct exit {
    exit_kind kind = exit_kind::normal;
    std::uint64_t death = 0; ///< see restart_budget::allows
    caf::error reason;
  };
  void on_exit(child_key key, std::size_t number, const exit& how);
  void ask(child_key key, bool at_once);
  void forget(child_key key);
  void answer(const supervision_action& a);
  void finish(const supervision_action& a);
  void tell(supervision_event_kind kind, const member_ptr& m, const std::string& text) const;

  const supervision_place place_;
  const supervisor_options options_;
  const std::string name_;
  end_handler on_end_;
  caf::strong_actor_ptr front_;
  mutable std::mutex mutex_; ///< guards what follows; no actor is told anything under it
  std::unique_ptr<supervision> step_;
  std::map<child_key, member_ptr> members_;
  std::map<request_id, answer_handler> asked_;
  request_id requests_ = 0;
  std::deque<supervision_action> todo_;
  bool driving_ = false;
  restart_budget::time_point next_tick_ = restart_budget::time_point::max();
  std::size_t made_ = 0; ///< of the pattern
  child_spec pattern_;
  bool over_ = false;
};

} // namespace bulkhead::actors
