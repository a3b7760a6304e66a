#pragma once

#include <sys/types.h>

#include <cstdint>
#include <span>
#include <unordered_map>
#include <vector>

namespace bulkhead::runtime {

/// What a worker is at.
struct work_sign {
  std::uint64_t answered = 0; ///< grows with each task that has ended
  std::uint32_t sleep = 0;    ///< odd, and the same for as long, while no task is there to run
  bool operator==(const work_sign&) const = default;
};

/// Which children of a worker that have ended nobody will wait for: a process that a task has left
/// in the background becomes a child of its worker, which is its subreaper. The kernel does not
/// tell such a child from one that the running task has made and will wait for, so one is due when
/// the task in which it was first seen dead has ended, or when none runs. Not thread-safe.
class leftover_children {
public:
  /// `dead`: those that had ended at some moment between the two signs.
  std::vector<pid_t> due(std::span<const pid_t> dead, work_sign before, work_sign after);

private:
  std::unordered_map<pid_t, std::uint64_t> first_seen_; ///< to work_sign::answered
};

/// The children of this process, of all its threads, that have ended and were not waited for.
std::vector<pid_t> ended_children();

} // namespace bulkhead::runtime
