#pragma once

#include "tools/job/completions.hpp"
#include "tools/job/inputs.hpp"
#include "tools/job/journal.hpp"

#include <bulkhead/detail/pool_core.hpp>
#include <bulkhead/detail/task_entry.hpp>

#include <map>
#include <memory>
#include <optional>
#include <string>

namespace bulkhead::command {

/// Hands the inputs of a job to a pool, never more than fit into its window, and remembers those
/// whose outcome is still to come.
class feeder {
public:
  /// Inputs that have an outcome in `kept`, borrowed, are not run again; null: there is none.
  feeder(const config::job& job, const detail::task_entry& task,
         std::shared_ptr<detail::pool_core> core, std::shared_ptr<completions> outcomes,
         int standard_input, journal* kept);

  /// Submits units while there are inputs and fewer than `window` are unfinished, `held` of them
  /// because their lines wait to be written.
  void feed(std::size_t held);

  /// A unit waits for room in the pool's queue: feed() tries it again. Never waits by itself, as
  /// its caller has signals to watch.
  bool holds_back() const noexcept { return held_.has_value(); }

  /// feed() found no input while there was room, and more may come.
  bool awaits_input() const noexcept { return awaits_input_ && !exhausted_; }

  /// What to poll for it; else -1. A reader that has no room does not poll, so its writer waits.
  int awaited() const noexcept { return awaits_input() ? source_.fd() : -1; }

  /// What lines are read from, and how far; empty: nothing.
  std::string place() const { return source_.place(); }

  /// Why inputs could not be read; empty where they could.
  std::string input_error() const { return source_.error(); }

  /// Inputs that may have been left unread, and whose number is not known.
  bool left_unread() const noexcept { return !source_.counted() && !source_.ended(); }

  /// The first input without outcome; null where there is none.
  const std::pair<const std::uint64_t, json>* oldest() const noexcept {
    return unfinished_.empty() ? nullptr : &*unfinished_.begin();
  }

  /// No more inputs, and what waits in the pool is withdrawn.
  void stop();

  /// All inputs are fed, or will never be.
  bool exhausted() const noexcept { return exhausted_ && !held_; }
  std::size_t in_flight() const noexcept { return unfinished_.size(); }
  std::uint64_t fed() const noexcept { return fed_; }
  std::uint64_t total() const noexcept { return source_.total(); }
  bool counted() const noexcept { return source_.counted() || source_.ended(); }

  /// The input of an outcome that came.
  json take_input(std::uint64_t item);

private:
  bool feed_unit(std::size_t room);
  bool add_input(detail::work& to, input from);
  bool take_kept(std::uint64_t item, const json& input);
  void submit(detail::work&& w);
  void refuse(const detail::work& w, const failure& f);
  std::shared_ptr<const task_options> options_for(const json& input) const;

  const config::job& job_;
  const detail::task_entry& task_;
  std::shared_ptr<detail::pool_core> core_;
  std::shared_ptr<completions> outcomes_;
  std::shared_ptr<stage_sink> sink_;
  std::shared_ptr<const task_options> options_;
  bool key_per_input_;
  std::size_t window_;
  inputs source_;
  journal* kept_;
  std::map<std::uint64_t, json> unfinished_;
  std::optional<detail::work> held_; ///< a unit that found the pool's queue full
  std::uint64_t fed_ = 0;
  bool exhausted_ = false;
  bool awaits_input_ = false;
};

} // namespace bulkhead::command
