#pragma once

#include "observe/model/history.hpp"
#include "observe/model/recorder.hpp"

#include <bulkhead/observe/watch.hpp>

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <string>
#include <unordered_map>
#include <vector>

namespace bulkhead::observe::detail {

/// How the pool's own answers looked at one moment.
struct sample {
  steady::time_point at;
  pool_stats stats;
  std::vector<worker_sight> workers;
  std::vector<actor_info> actors;
};

/// A part of a task, within its slice where that is known.
struct span_sight {
  std::uint64_t task = 0;
  std::size_t worker = 0;
  std::string name;
  std::chrono::nanoseconds began{}; ///< since the watch began
  std::chrono::nanoseconds ended{};
};

/// Somebody has asked for the outcome of a task.
struct take_sight {
  std::uint64_t task = 0;
  std::chrono::nanoseconds at{}; ///< since the watch began
};

/// What is known of one pool: takes batches and samples, gives snapshots. Without a clock, a lock
/// or a system call.
class model {
public:
  using name_finder = std::function<std::string(const called&)>;

  static constexpr std::size_t kept_slices = 4096;
  static constexpr std::size_t kept_failures = 200;
  static constexpr std::size_t kept_events = 500;
  static constexpr std::size_t kept_messages = 1000;
  static constexpr std::size_t most_names = 200; ///< further ones are "other tasks"

  model(steady::time_point began, std::chrono::system_clock::time_point began_at,
        name_finder names);

  /// The slices of the batch, in the order of their ends.
  std::vector<slice> take(const batch& what);
  /// The spans of tasks whose slices were taken by now, and those that have waited for theirs once.
  std::vector<span_sight> take_spans(std::vector<noted_span> came);
  std::vector<take_sight> see_takes(const std::vector<noted_take>& came) const;
  /// The messages, with the names of their actors as the last sample has them.
  std::vector<message_sight> take_turns(const std::vector<bulkhead::detail::actor_turn>& came);
  void take(sample now);
  /// The pool has ended with these counts.
  void end(const pool_stats& last, steady::time_point at);

  /// Without the pool's name and key.
  snapshot look(const watch::cursor& since) const;
  std::string name_of(const called& what) { return kinds_[kind_of(what)].name; }

private:
  struct hash {
    std::size_t operator()(const called& c) const noexcept {
      return c.stub.offset * 31 + c.function.offset * 7 + c.stub.module + c.function.module;
    }
  };
  struct place {
    steady::time_point ended{};      ///< of the last that ended on this worker
    std::chrono::nanoseconds ran{0}; ///< of the last that was measured there
  };

  static constexpr std::size_t most_places = 4096;

  place& place_of(std::size_t worker);
  std::size_t kind_of(const called& what);
  slice count(const noted_end& end);
  span_sight seen(const noted_span& s, const slice* around) const;
  void note(const noted_failure& failed);
  void note(const noted_event& event);
  std::chrono::nanoseconds since_begin(steady::time_point at) const noexcept;
  std::chrono::system_clock::time_point wall(steady::time_point at) const noexcept;

  const steady::time_point began_;
  const std::chrono::system_clock::time_point began_at_;
  const name_finder names_;
  std::unordered_map<called, std::size_t, hash> indices_;
  std::vector<task_sight> kinds_;
  std::map<std::size_t, place> places_; ///< by worker
  std::vector<noted_span> early_spans_; ///< whose task had not ended
  std::deque<slice> slices_;
  std::deque<failure_sight> failures_;
  std::deque<event_sight> events_;
  std::deque<message_sight> messages_;
  std::map<std::string, std::uint64_t> deaths_;
  std::uint64_t slice_number_ = 0;
  std::uint64_t failure_number_ = 0;
  std::uint64_t event_number_ = 0;
  std::uint64_t message_number_ = 0;
  std::uint64_t unseen_ = 0;
  sample last_;
  history past_;
  bool ended_ = false;
};

} // namespace bulkhead::observe::detail
