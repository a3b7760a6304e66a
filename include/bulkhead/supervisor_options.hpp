#pragma once

#include <bulkhead/detail/duration.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

namespace bulkhead {

// Words and meanings are those of Erlang/OTP's supervisor; docs/supervision.md says where a process
// makes a difference.

/// Whom a supervisor starts again when a child ends and is to be restarted.
enum class restart_strategy : std::uint8_t {
  one_for_one,        ///< the child alone (default)
  one_for_all,        ///< all children: the others are stopped first
  rest_for_one,       ///< the child and those that were started after it
  simple_one_for_one, ///< as one_for_one, for any number of children of one kind, added at run time
};

/// Which ends of a child are followed by a restart.
enum class restart_type : std::uint8_t {
  permanent, ///< all (default)
  transient, ///< all but a normal end and a shutdown
  temporary, ///< none; its spec is forgotten with it
};

/// Whether a supervisor ends by itself when children that are `significant` have ended.
enum class auto_shutdown : std::uint8_t {
  never,           ///< (default)
  any_significant, ///< with the first
  all_significant, ///< with the last
};

/// What a child is.
enum class child_type : std::uint8_t { worker, supervisor };

std::string_view to_string(restart_strategy strategy) noexcept;
std::string_view to_string(restart_type type) noexcept;
std::string_view to_string(child_type type) noexcept;

/// How a child is stopped: asked by an exit message with exit_reason::user_shutdown and, after a
/// deadline, ended as bulkhead::kill does; ended at once; or asked and waited for. Default: 5 s for
/// workers, infinity for supervisors.
class shutdown_rule {
public:
  enum class kind : std::uint8_t { by_type, deadline, brutal_kill, infinity };

  constexpr shutdown_rule() noexcept = default;
  constexpr explicit shutdown_rule(kind k) noexcept : how_(k) {}
  template <class Rep, class Period>
  shutdown_rule(std::chrono::duration<Rep, Period> deadline) noexcept // NOLINT(*-explicit-*)
    : how_(kind::deadline), after_(detail::to_nanoseconds(deadline)) {}

  constexpr kind how() const noexcept { return how_; }
  /// Of kind::deadline.
  constexpr std::chrono::nanoseconds after() const noexcept { return after_; }

private:
  kind how_ = kind::by_type;
  std::chrono::nanoseconds after_{};
};

inline constexpr shutdown_rule brutal_kill{shutdown_rule::kind::brutal_kill};
inline constexpr shutdown_rule infinity{shutdown_rule::kind::infinity};

/// What a supervisor does, as supervisor_options::on_event tells it.
enum class supervision_event_kind : std::uint8_t {
  started,      ///< a child serves; `incarnation` counts from 1
  start_failed, ///< it could not be started; `text` says why
  exited,       ///< it ended by itself
  stopped,      ///< it ended because its supervisor asked
  restarting,   ///< it waits for its back-off
  gave_up,      ///< more restarts than max_restarts within the period: the supervisor ends
  ended,        ///< the supervisor has ended
};

std::string_view to_string(supervision_event_kind kind) noexcept;

struct supervision_event {
  supervision_event_kind kind = supervision_event_kind::started;
  std::string supervisor;      ///< its name, below those of its own supervisors: "shop/stock"
  std::string child;           ///< its id; empty in gave_up and ended
  std::size_t incarnation = 0; ///< of the child
  std::string text;            ///< one line for people
};

/// Options of a supervisor. Every member has its default.
struct supervisor_options {
  restart_strategy strategy = restart_strategy::one_for_one;
  /// More restarts than this within the period, and the supervisor stops its children and ends.
  /// Children that ended with one worker process count as one restart.
  std::size_t max_restarts = 1;
  std::chrono::nanoseconds within = std::chrono::seconds{5}; ///< above 0
  bulkhead::auto_shutdown auto_shutdown = bulkhead::auto_shutdown::never;
  std::string name = "supervisor"; ///< for people, as actor_info::supervisor shows it
  /// Wait before the second restart within the period; it doubles with each more up to backoff_max,
  /// spread by a quarter. 0: none, as in OTP.
  std::chrono::nanoseconds backoff_initial{};
  std::chrono::nanoseconds backoff_max = std::chrono::seconds{2};
  /// Runs on a thread of the library, in order; does not block for long. The last events may be
  /// told when the supervisor is gone: let it own what it uses.
  std::function<void(const supervision_event&)> on_event = {};
  /// Folder in which the snapshots of children with child_spec::state_limit are kept, and of those
  /// below where they have none of their own; it is made where it does not exist. Snapshots then
  /// survive the host: a child begins with the last one that was acknowledged, in this host or in
  /// one before, under the same path of names and ids. Acknowledged is what the system has taken
  /// from this process; the end of the machine itself may cost the last moments. One host at a time
  /// has the folder. Empty: none.
  std::filesystem::path journal = {};
};

} // namespace bulkhead
