#pragma once

#include "tools/config/job.hpp"
#include "tools/job/completions.hpp"

#include <bulkhead/detail/pool_core.hpp>
#include <bulkhead/detail/task_entry.hpp>

#include <deque>
#include <memory>
#include <optional>
#include <string>

namespace bulkhead::command {

/// Merges results into one, in the workers: a batch at a time as results come, the merged ones
/// again, until one is left; then the finishing task on it. The host only passes bytes on.
class reducer {
public:
  reducer(const config::job& job, std::shared_ptr<detail::pool_core> core,
          const std::shared_ptr<completions>& outcomes);

  /// A result of the map.
  void add(detail::buffer result) { parts_.push_back(std::move(result)); }

  /// The outcome of a merge or of the finish.
  void on_completion(completion c);

  /// Submits what can be submitted. `more` says whether results of the map are still to come.
  void advance(bool more);

  /// Gives up and withdraws what waits.
  void stop();

  /// Nothing is left to do.
  bool done() const noexcept { return done_; }
  bool holds_back() const noexcept { return held_.has_value(); }
  std::size_t in_flight() const noexcept { return running_; }
  std::uint64_t merges() const noexcept { return merges_; }

  /// The value, after done(); null where there is none.
  const config::json& value() const noexcept { return value_; }
  /// Why there is none, after done(); null where nothing failed.
  const std::optional<failure>& failed() const noexcept { return failed_; }

private:
  void merge_some();
  void finish();
  void submit(detail::work&& w);
  void fail(failure f);

  const config::reduction& how_;
  const detail::task_entry& merge_;
  const detail::task_entry* finish_;
  std::shared_ptr<detail::pool_core> core_;
  std::shared_ptr<stage_sink> merge_sink_;
  std::shared_ptr<stage_sink> finish_sink_;
  std::shared_ptr<const task_options> options_;
  std::deque<detail::buffer> parts_;
  std::optional<detail::work> held_; ///< found the pool's queue full; advance() tries it again
  std::size_t running_ = 0;
  std::uint64_t merges_ = 0;
  bool done_ = false;
  config::json value_;
  std::optional<failure> failed_;
};

} // namespace bulkhead::command
