#pragma once

#include "engine/ledger/ledger.hpp"
#include "engine/wire/messages.hpp"

#include <bulkhead/detail/duration.hpp>
#include <bulkhead/detail/task_sink.hpp>
#include <bulkhead/options.hpp>

#include <cstdint>
#include <deque>
#include <map>
#include <memory>

namespace bulkhead::engine {

using detail::time_point;

/// Tasks that were submitted together, with all that the submitter needs for them.
struct job final : ledger_unit {
  job(detail::work&& w, std::uint32_t more_attempts, time_point now);

  /// What the sink calls the task of that number.
  std::uint64_t item(std::uint64_t number) const noexcept { return first_item + (number - first); }
  std::size_t bytes() const noexcept { return whole.body.size(); }
  int priority() const noexcept { return options ? options->priority : 0; }

  piece whole; ///< all of it, as it travels
  std::uint64_t first_item = 0;
  std::shared_ptr<detail::task_sink> sink;
  std::shared_ptr<const task_options> options; ///< null: the pool's defaults
  time_point deadline = time_point::max();
  bool cancel_wanted = false; ///< no further attempt
};

/// Of each task, which go out next: higher priorities first, within one in order.
class lanes {
public:
  void push(int priority, task_range tasks) { queues_[-std::int64_t{priority}].push_back(tasks); }
  bool empty() const noexcept { return queues_.empty(); }
  /// Only where it is not empty.
  task_range& front() noexcept { return queues_.begin()->second.front(); }
  /// The first `count` of the front, or all, are out.
  void pop(std::uint32_t count);

private:
  std::map<std::int64_t, std::deque<task_range>> queues_;
};

} // namespace bulkhead::engine
