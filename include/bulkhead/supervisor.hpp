#pragma once

#include <bulkhead/actor.hpp>
#include <bulkhead/error.hpp>
#include <bulkhead/supervisor_options.hpp>

#include <caf/actor.hpp>
#include <caf/actor_system.hpp>

#include <sys/types.h>

#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

namespace bulkhead {

struct child_spec;

namespace detail {

/// What a child is started from; any number of times.
struct child_start_state {
  child_type type = child_type::worker;
  placement where; ///< of an actor in a worker, as what follows
  actor_options how;
  shipped_behavior behavior;
  caf::message arguments;
  supervisor_options options; ///< of a supervisor
  std::vector<child_spec> children;
  std::function<caf::actor(caf::actor_system&)> make; ///< of what the host itself makes
};

class supervised;

} // namespace detail

/// How a child is started, made by child() and host_child(): a value, used at each restart.
class child_start {
public:
  child_start() = default; ///< refused by the supervisor: there is nothing to start
  explicit child_start(detail::child_start_state state);

  /// The same under these options; of an actor in a worker. Throws config_error for a time below
  /// zero and for other kinds of children.
  child_start with(actor_options options) const;

  const std::shared_ptr<const detail::child_start_state>& state() const noexcept { return state_; }

private:
  std::shared_ptr<const detail::child_start_state> state_;
};

/// One child of a supervisor, as OTP's child specification.
struct child_spec {
  std::string id; ///< of its own among its siblings; not empty, without '/'
  child_start start;
  restart_type restart = restart_type::permanent;
  shutdown_rule shutdown = {};
  /// Whether its end counts for supervisor_options::auto_shutdown; of transient and temporary ones.
  bool significant = false;
  /// How many messages wait for it while it is being restarted; those beyond are refused.
  std::size_t held_messages = 1024;
  /// The name under which all processes find the child, its handle that survives restarts; see
  /// bulkhead::names. Empty: none. Gone with the child, not with an incarnation. Not for the
  /// pattern of a simple_one_for_one supervisor.
  std::string name = {};
  /// Bytes of the largest snapshot that the child may hand over by bulkhead::keep_state; at most 64
  /// MiB, 0: none. The host holds the last one as long as the child exists; each incarnation gets
  /// it in place of the behaviour's last argument, which is a std::string (as given: the first).
  std::size_t state_limit = 0;
  /// How many messages may be in no snapshot: the host keeps those that came through the handle and
  /// sends them to the next incarnation again, before all others, until a snapshot contains them. A
  /// snapshot contains what the actor has begun when it hands it over. At least once: what a
  /// handler does outside is done again; a behaviour that skips messages may get those behind a
  /// skipped one twice. Answers to messages that were answered, or failed with the incarnation,
  /// go nowhere. Messages beyond are refused; deadlines have no effect. Needs state_limit. 0: none.
  std::size_t replayed_messages = 0;
};

namespace detail {

template <class Behavior, class... Args>
child_start child_at(const placement& where, const Behavior& behavior, Args&&... args) {
  child_start_state state;
  state.where = where;
  if constexpr (std::is_convertible_v<const Behavior&, std::string>) {
    state.behavior = find_behavior(behavior);
    state.how.name = behavior;
  } else {
    state.behavior = ship_behavior<Behavior, Args...>(behavior);
  }
  state.arguments = spawn_arguments(std::forward<Args>(args)...);
  return child_start{std::move(state)};
}

} // namespace detail

/// A child that is an actor in a worker of the supervisor's pool: an optional placement first, then
/// what pool::spawn takes. Throws config_error for a name that no behaviour is registered under.
template <class Behavior, class... Args>
  requires(!std::is_same_v<Behavior, supervisor_options>)
child_start child(Behavior behavior, Args&&... args) {
  if constexpr (std::is_same_v<Behavior, placement>)
    return detail::child_at(behavior, std::forward<Args>(args)...);
  else
    return detail::child_at(placement{}, behavior, std::forward<Args>(args)...);
}

/// The same for an actor class and the arguments of its constructor.
template <class Class, class... Args>
child_start child_of_class(const placement& where, Args&&... args) {
  detail::child_start_state state;
  state.where = where;
  state.behavior.stub = detail::to_ref(
    reinterpret_cast<const void*>(&detail::spawn_class<Class, detail::spawn_argument_t<Args>...>));
  state.arguments = detail::spawn_arguments(std::forward<Args>(args)...);
  return child_start{std::move(state)};
}

/// A child that is a supervisor itself, in the same pool.
child_start child(supervisor_options options, std::vector<child_spec> children);

/// A child that the host makes: an actor of its own, or what spawn_pool returns. `make` runs on a
/// thread of the library for callbacks, at each start; what it throws is a failed start.
child_start host_child(std::function<caf::actor(caf::actor_system&)> make);

/// Why a call at run time was refused, in OTP's words.
enum class supervision_fault : std::uint8_t {
  already_started, ///< start_child: a child with this id runs
  already_present, ///< start_child: there is one that does not run; use restart_child
  not_found,       ///< no child has this id
  running,         ///< restart_child, delete_child: it runs
  restarting,      ///< restart_child, delete_child: it is about to be restarted
  start_failed,    ///< the text says why
  ended,           ///< the supervisor, before or during the call
};

std::string_view to_string(supervision_fault fault) noexcept;

/// What a supervisor refuses; info() says which child and why.
class supervision_error : public error {
public:
  supervision_error(supervision_fault fault, const std::string& message)
    : error(failure_kind::rejected, message), fault_(fault) {}
  supervision_fault fault() const noexcept { return fault_; }

private:
  supervision_fault fault_;
};

enum class child_status : std::uint8_t { undefined, starting, running, stopping, restarting };

std::string_view to_string(child_status status) noexcept;

/// A snapshot of one child.
struct child_info {
  std::string id;
  child_type type = child_type::worker;
  restart_type restart = restart_type::permanent;
  child_status status = child_status::undefined; ///< undefined: it does not run and will not
  caf::actor actor;                              ///< the handle that survives restarts
  caf::actor incarnation;       ///< whom it stands for now; empty while there is nobody
  std::size_t incarnations = 0; ///< that were started, 1 for the first
  std::uint64_t snapshots = 0;  ///< that were kept, of all incarnations
  std::size_t state_bytes = 0;  ///< of the last one
};

struct child_counts {
  std::size_t specs = 0;       ///< children, running or not
  std::size_t active = 0;      ///< that run
  std::size_t supervisors = 0; ///< children that are supervisors, running or not
  std::size_t workers = 0;     ///< and those that are not
};

/// Keeps its children running, as Erlang/OTP's supervisor does; docs/supervision.md. Children are
/// started in their order, one when the one before serves, and stopped in the reverse order.
///
/// Wherever a child is named, a path names a child of a child: "stock/database". The handle of a
/// child stands for each of its incarnations: while it is being restarted messages wait; requests
/// that a dying incarnation may have begun get its failure, and others go to the next one. Monitors
/// of the handle hear when the child is gone for good.
///
/// Thread-safe. Calls that change something wait until it is done: no longer than the start of a
/// child (30 s each) and its shutdown take; they must not be made in an actor's behaviour, nor in
/// on_event.
class supervisor {
public:
  /// Starts the children and waits for them. Throws config_error, which tells all faults of the
  /// specs at once, and supervision_error with start_failed: those that ran are stopped again.
  supervisor(pool& workers, const supervisor_options& options,
             const std::vector<child_spec>& children);
  supervisor(supervisor&&) noexcept = default;
  supervisor& operator=(supervisor&& other) noexcept;
  /// As stop().
  ~supervisor();

  /// Monitors of it hear the end of the supervisor: exit_reason::user_shutdown, or a failure of
  /// kind pool_broken where it gave up. An exit message with a reason stops it.
  caf::actor actor() const;

  /// The handle of a child. Throws supervision_error (not_found, ended).
  caf::actor child(const std::string& id) const;

  /// Adds and starts a child; under "path/" of another supervisor where `below` is given. Throws
  /// config_error and supervision_error.
  caf::actor start_child(const child_spec& spec, const std::string& below = {});
  /// Under simple_one_for_one: one more of the pattern, whose start this replaces. It gets an id of
  /// its own, "pattern#1". Throws config_error under other strategies.
  caf::actor start_child(child_start start, const std::string& below = {});
  /// The same, from the pattern's own start.
  caf::actor start_child();

  /// Stops a child, which stays down until restart_child; one that is temporary, or of a
  /// simple_one_for_one supervisor, is forgotten. Throws supervision_error (not_found, ended).
  void terminate_child(const std::string& id);
  /// Starts one that does not run. Throws supervision_error.
  caf::actor restart_child(const std::string& id);
  /// Forgets one that does not run. Throws supervision_error.
  void delete_child(const std::string& id);

  /// In the order of their start; of a child that is a supervisor where `below` names one.
  std::vector<child_info> which_children(const std::string& below = {}) const;
  child_counts count_children(const std::string& below = {}) const;

  /// Stops the children in reverse order and ends; returns when that is done.
  void stop() noexcept;

private:
  std::shared_ptr<detail::supervised> state_;
};

} // namespace bulkhead
