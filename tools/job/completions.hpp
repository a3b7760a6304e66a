#pragma once

#include "runtime/system/unique_fd.hpp"

#include <bulkhead/detail/task_sink.hpp>
#include <bulkhead/options.hpp>

#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

namespace bulkhead::command {

/// Which part of a job a task belongs to.
enum class stage : std::uint8_t {
  map,    ///< the task on an input
  merge,  ///< reduce.task on some results
  finish, ///< reduce.finish on the last result
};

/// The outcome of one task as it came from its worker.
struct completion {
  stage from = stage::map;
  std::uint64_t item = 0;
  std::optional<failure> failed;
  detail::buffer result;
  bool kept = false; ///< of an earlier run, by the journal
};

/// Outcomes and events of a pool on their way to the main thread, which polls a descriptor. Filled
/// by any thread of the pool, briefly and without user code.
class completions {
public:
  completions();

  /// Readable while something is there.
  int fd() const noexcept { return ready_.get(); }

  void put(completion c) noexcept;
  void put(pool_event e) noexcept;

  struct batch {
    std::vector<completion> outcomes;
    std::vector<pool_event> events;
  };
  /// All that is there; never waits.
  batch take();

private:
  void wake() noexcept;

  std::mutex mutex_;
  batch waiting_;
  runtime::unique_fd ready_;
};

/// Puts the outcomes of one stage into the queue.
class stage_sink : public detail::task_sink {
public:
  stage_sink(stage from, std::shared_ptr<completions> to) : from_(from), to_(std::move(to)) {}

  void on_value(std::uint64_t item, std::span<const std::byte> result) noexcept override;
  void on_failure(std::uint64_t item, failure&& f) noexcept override;

private:
  stage from_;
  std::shared_ptr<completions> to_;
};

} // namespace bulkhead::command
