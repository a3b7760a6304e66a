#pragma once

#include "runtime/dispatch/own_lag.hpp"

#include <bulkhead/failure.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>

namespace bulkhead::runtime {

/// Longer time limits are taken for this one, so that times can be added without overflow.
inline constexpr std::chrono::nanoseconds longest_limit = std::chrono::hours{24 * 365 * 50};

/// A pool's limits, as far as they concern one worker. 0: none, where nothing else is said.
struct watch_limits {
  std::chrono::nanoseconds grace{};              ///< from asking to killing
  std::chrono::nanoseconds unresponsive_after{}; ///< never 0
  std::chrono::nanoseconds ready_within{};
  std::chrono::nanoseconds max_age{};
  std::uint64_t max_memory = 0; ///< bytes beyond what it was born with
};

/// What the host finds when it looks at a worker. Items have increasing numbers, each used once:
/// the positions of docs/wire_format.md.
struct worker_facts {
  bool process = true; ///< false: a thread
  bool ready = false;
  bool serves = false;                   ///< takes new tasks
  bool busy = false;                     ///< something was sent and is not answered
  std::uint64_t front = 0;               ///< its first unanswered item, while busy
  bool has_task = false;                 ///< that item was not taken back
  bool runs = false;                     ///< the worker says that it is at that item
  std::chrono::nanoseconds limit{};      ///< of that item
  std::chrono::nanoseconds soft_limit{}; ///< of that item
  bool cancelled = false;                ///< that item is to end, whatever it does
  bool holds_results = false;            ///< it may have results that it has not published
  std::uint64_t beat = 0;                ///< the worker's count of its beats
  std::size_t behind = 0;                ///< items that wait for its running one, or its start
  bool others_idle = false;              ///< a worker has nothing to do, and nothing is queued
  std::chrono::nanoseconds mean{};       ///< running time of its frames
};

enum class watch_action : std::uint8_t {
  none,
  retire,           ///< it takes nothing more and is replaced once it is idle
  ask_to_stop,      ///< its running task is asked
  end_for_task,     ///< it is ended for its running task, if that still runs
  kill,             ///< it is ended, whatever it runs
  give_up,          ///< it cannot be killed: its tasks have their outcome now
  pardon,           ///< the task that was to end has ended: who runs now is innocent
  take_back_behind, ///< what lies behind its running item
  take_back_all     ///< all that it was sent
};

struct watch_decision {
  watch_action action = watch_action::none;
  exit_cause cause = exit_cause::none;
  std::chrono::nanoseconds limit{}; ///< that a task exceeded, of timed_out
};

/// Decides what becomes of one worker as time goes by: limits, graces, heartbeats, age, memory,
/// work that lies stuck. A plain value: facts and now go in, an action comes out. Invariant:
/// whoever looks whenever next_look() says misses no limit, and is told to look a bounded number of
/// times meanwhile.
class worker_watch {
public:
  using time_point = own_lag::time_point;

  worker_watch() = default;
  worker_watch(const watch_limits& limits, time_point born);

  /// When to look again; time_point::max(): not for reasons of time.
  time_point next_look() const noexcept { return next_look_; }
  /// Before a round of looks: they say anew when to look again.
  void begin_round() noexcept { next_look_ = time_point::max(); }

  /// Whether plan() would begin a clock; `limited`: the running task has a limit; `holds`: as
  /// worker_facts::holds_results.
  bool has_to_plan(bool limited, bool holds) const noexcept {
    return beat_since_ == time_point{} || (limited && front_since_ == time_point{})
           || (holds && results_patience_.count() == 0);
  }
  /// Work was sent or answered: clocks of its running task begin where it has a limit.
  void plan(const worker_facts& f, time_point now);
  /// The worker got to another item, or could not have begun the first one.
  void item_ended() noexcept;
  /// It serves: a task's limit does not count its worker's start.
  void ready() noexcept { front_since_ = {}; }
  /// Its task is to end within the grace.
  void ask_for_task(time_point now) noexcept;
  /// That task has ended by itself.
  void task_obeyed() noexcept { task_by_ = time_point::max(); }
  /// The worker is to end within the grace.
  void ask_for_end(time_point now) noexcept;
  /// It was sent SIGKILL; or, with `last_words`, asked to leave its stack and end itself, and
  /// look_at_end() says when SIGKILL must follow.
  void killed(time_point now, bool last_words = false) noexcept;
  bool was_killed() const noexcept { return killed_at_ != time_point::max(); }
  void forgive(const own_lag& late) noexcept;
  /// The host could not look for so long that no beat can be missed.
  void forgive_beats(time_point now) noexcept;

  watch_decision look_at_end(const worker_facts& f, time_point now);
  watch_decision look_at_age(const worker_facts& f, time_point now);
  watch_decision look_at_start(const worker_facts& f, time_point now);
  watch_decision look_at_memory(const worker_facts& f, std::uint64_t own_bytes, time_point now);
  watch_decision look_at_task(const worker_facts& f, time_point now);
  /// Only says when to look again for results that are not published: whoever looks takes them.
  watch_decision look_at_results(const worker_facts& f, time_point now);
  watch_decision look_at_queue(const worker_facts& f, time_point now);
  watch_decision look_at_beat(const worker_facts& f, time_point now);

  /// Since when it is seen at its present front, at least.
  time_point at_front_since(std::uint64_t front, time_point now) noexcept;

  /// SIGKILL takes effect within this time beyond the grace, or never.
  static constexpr std::chrono::seconds death_takes{1};
  /// To leave a stack takes microseconds, unless the signal is blocked or the process stopped.
  static constexpr std::chrono::milliseconds last_words_take{500};
  static constexpr std::chrono::milliseconds memory_interval{20};
  static constexpr std::chrono::milliseconds shortest_patience{1};
  static constexpr std::chrono::milliseconds longest_patience{32};

private:
  void look_again(time_point at) noexcept { next_look_ = std::min(next_look_, at); }
  bool see_front(std::uint64_t front, time_point now) noexcept;
  watch_decision look_at_soft_limit(const worker_facts& f, time_point now);

  static constexpr std::uint64_t no_item = UINT64_MAX;

  watch_limits limits_;
  time_point born_{};
  time_point next_look_ = time_point::max();
  time_point ready_by_ = time_point::max();
  time_point front_since_{}; ///< its front may run since then; {}: not yet looked
  std::uint64_t seen_front_ = no_item;
  time_point seen_since_{};                     ///< first look at that front
  std::uint64_t held_front_ = no_item;          ///< at the last look for unpublished results
  std::chrono::nanoseconds results_patience_{}; ///< until the next such look; 0: none is planned
  std::uint64_t seen_beat_ = 0;
  std::uint64_t beat_front_ = no_item;      ///< its front at the last beat that counted
  time_point beat_since_{};                 ///< {}: beats are not awaited
  std::uint64_t asked_item_ = no_item;      ///< was asked to stop by its soft limit
  time_point asked_by_ = time_point::max(); ///< it stops by then, or is ended
  time_point task_by_ = time_point::max();  ///< a cancelled task stops by then
  time_point end_by_ = time_point::max();   ///< a worker that was asked to end
  time_point killed_at_ = time_point::max();
  time_point silent_by_ = time_point::max(); ///< SIGKILL follows then
};

} // namespace bulkhead::runtime
