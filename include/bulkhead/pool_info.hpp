#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace bulkhead {

enum class worker_state : std::uint8_t {
  starting, ///< the process exists, its initializer has not finished
  idle,     ///< nothing to do
  busy,     ///< runs a task
  draining, ///< takes no more tasks and ends after its last
  dead,     ///< ended and not yet replaced
};

std::string_view to_string(worker_state state) noexcept;

/// A snapshot of one worker. It leaves the list once it is reaped.
struct worker_info {
  std::size_t id = 0; ///< unique over the life of the pool
  pid_t pid = 0;      ///< 0 for start_method::thread
  worker_state state = worker_state::starting;
  std::uint64_t tasks_done = 0;
  std::size_t rss_bytes = 0; ///< resident memory now; 0 where it cannot be read
  std::chrono::system_clock::time_point started_at;
  std::chrono::nanoseconds busy{}; ///< time it spent in tasks that were answered
};

/// Counters since the pool was made. At rest submitted == succeeded + failed + cancelled.
struct pool_stats {
  std::uint64_t submitted = 0;
  std::uint64_t succeeded = 0;
  std::uint64_t failed = 0;
  std::uint64_t cancelled = 0;
  std::uint64_t retried = 0;      ///< attempts after the first
  std::uint64_t requeued = 0;     ///< tasks that moved on unclaimed from a dead worker
  std::uint64_t queued = 0;       ///< now waiting
  std::uint64_t in_flight = 0;    ///< now sent to a worker and not answered
  std::uint64_t restarts = 0;     ///< replacements of workers that ended unasked
  std::uint64_t recycled = 0;     ///< replacements of workers that the pool ended
  std::uint64_t bad_messages = 0; ///< workers, of actors too, killed for breaking the wire protocol
  /// Plain messages, no requests, that the host could not pass on: a full queue, a type that does
  /// not travel, a task that failed. Of all pools in the same actor system.
  std::uint64_t dead_letters = 0;
};

} // namespace bulkhead
