#pragma once

#include <bulkhead/pool_info.hpp>

#include <cassert>
#include <cstdint>

namespace bulkhead::runtime {

/// Where tasks are that have no outcome yet.
enum class task_place : std::uint8_t {
  waiting, ///< in the queue, or before their next attempt
  sent     ///< with a worker, or it died and their outcome is being prepared
};

enum class task_end : std::uint8_t { succeeded, failed, cancelled };

/// Every count of a pool's tasks, and the only one who changes them. A plain value. Invariant after
/// each call: submitted == waiting + sent + succeeded + failed + cancelled, none of them negative:
/// each task is in one place, and leaves it once.
class ledger {
public:
  /// So many tasks wait. Returns the number of the first of them; the others follow it.
  std::uint64_t submit(std::uint64_t tasks) noexcept {
    counts_.submitted += tasks;
    waiting_ += tasks;
    return counts_.submitted - tasks + 1;
  }

  /// Of the next task.
  std::uint64_t next_id() const noexcept { return counts_.submitted + 1; }

  void send(std::uint64_t tasks) noexcept { move(waiting_, sent_, tasks); }

  /// They did not run there and wait again.
  void come_back(std::uint64_t tasks) noexcept {
    move(sent_, waiting_, tasks);
    counts_.requeued += tasks;
  }

  /// A task that its worker did not survive waits for another attempt.
  void try_again() noexcept {
    move(sent_, waiting_, 1);
    ++counts_.retried;
  }

  void end(task_end how, task_place from, std::uint64_t tasks = 1) noexcept {
    auto& place = from == task_place::waiting ? waiting_ : sent_;
    assert(place >= tasks);
    place -= tasks;
    (how == task_end::succeeded ? counts_.succeeded
     : how == task_end::failed  ? counts_.failed
                                : counts_.cancelled) += tasks;
  }

  std::uint64_t waiting() const noexcept { return waiting_; }
  std::uint64_t sent() const noexcept { return sent_; }
  /// No task is without its outcome.
  bool at_rest() const noexcept { return waiting_ == 0 && sent_ == 0; }

  /// A task that was submitted for a second run was sent.
  void hedge() noexcept { ++counts_.hedged; }
  void replace_worker() noexcept { ++counts_.restarts; }
  void recycle_worker() noexcept { ++counts_.recycled; }
  void find_bad_message() noexcept { ++counts_.bad_messages; }

  pool_stats stats() const noexcept {
    auto now = counts_;
    now.queued = waiting_;
    now.in_flight = sent_;
    return now;
  }

private:
  static void move(std::uint64_t& from, std::uint64_t& to, std::uint64_t tasks) noexcept {
    assert(from >= tasks);
    from -= tasks;
    to += tasks;
  }

  pool_stats counts_;
  std::uint64_t waiting_ = 0;
  std::uint64_t sent_ = 0;
};

} // namespace bulkhead::runtime
