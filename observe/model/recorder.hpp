#pragma once

#include <bulkhead/detail/onlooker.hpp>
#include <bulkhead/observe/snapshot.hpp>

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <string>
#include <vector>

namespace bulkhead::observe::detail {

using bulkhead::detail::called;
using bulkhead::detail::items_end;
using steady = std::chrono::steady_clock;

/// An event, and when it came.
struct noted_event {
  worker_kind among;
  steady::time_point at;
  pool_event event;
};

/// The end of tasks without what belongs to the pool.
struct noted_end : items_end {
  explicit noted_end(const items_end& from) noexcept : items_end(from) {
    if (from.failed != nullptr)
      result =
        from.failed->kind == failure_kind::cancelled ? task_result::cancelled : task_result::failed;
    failed = nullptr;
  }
  task_result result = task_result::succeeded;
};

struct noted_failure {
  noted_end end;
  failure what;
};

struct noted_span {
  std::uint64_t task;
  std::size_t worker;
  std::string name;
  steady::time_point began;
  std::chrono::nanoseconds took;
};

/// Somebody has asked for the outcome of a task.
struct noted_take {
  std::uint64_t task;
  steady::time_point at;
};

/// What came since the last look.
struct batch {
  std::vector<noted_end> ended;
  std::vector<noted_failure> failures;
  std::vector<noted_event> events;
  std::uint64_t unseen = 0; ///< items that found no room
  bool over = false;        ///< the pool has ended
  pool_stats last;          ///< its last counts, where it has
  std::vector<noted_span> spans = {};
  std::vector<noted_take> takes = {};
};

/// Keeps what a pool tells, up to a bound, until somebody takes it. Called under the pool's lock:
/// it only stores.
class recorder final : public bulkhead::detail::onlooker {
public:
  /// At most so many outcomes, and so many failures and events, are kept.
  static constexpr std::size_t most_ended = std::size_t{1} << 16;
  static constexpr std::size_t most_notes = 1024;
  static constexpr std::size_t most_spans = std::size_t{1} << 15;
  static constexpr std::size_t most_takes = std::size_t{1} << 15;

  void items_ended(const items_end& what) noexcept override;
  void span_ended(std::size_t worker, const bulkhead::detail::task_span& what) noexcept override;
  void outcome_taken(std::uint64_t task, steady::time_point when) noexcept override;
  void happened(worker_kind among, const pool_event& event) noexcept override;
  void pool_ended(const pool_stats& last) noexcept override;

  /// Waits until the deadline, or until much has come, the pool has ended or stop() was called.
  void wait_until(steady::time_point deadline);
  /// All that is there. That the pool is over stays true for whoever takes the next.
  batch take();
  void stop() noexcept;

private:
  bool is_full() const noexcept { return waiting_.ended.size() >= most_ended / 2; }

  std::mutex mutex_;
  std::condition_variable woken_;
  batch waiting_;
  bool stop_ = false;
};

} // namespace bulkhead::observe::detail
