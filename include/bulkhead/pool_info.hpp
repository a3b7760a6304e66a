#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
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

/// What a worker is for.
enum class worker_kind : std::uint8_t {
  tasks,  ///< runs what is submitted
  actors, ///< hosts what pool::spawn starts
};

std::string_view to_string(worker_kind kind) noexcept;

/// A snapshot of one worker. It leaves the list once it is reaped.
struct worker_info {
  std::size_t id = 0; ///< unique over the life of the pool
  pid_t pid = 0;      ///< 0 for start_method::thread
  worker_state state = worker_state::starting;
  std::uint64_t tasks_done = 0;
  std::size_t rss_bytes = 0; ///< resident memory now; 0 where it cannot be read
  std::chrono::system_clock::time_point started_at;
  std::chrono::nanoseconds busy{}; ///< time it spent in tasks that were answered
  std::uint64_t task = 0;          ///< that it runs, as future::id() of its submit; 0: none
  /// It has run that task for so long at least: since a call of workers(), or the pool itself,
  /// first found it there.
  std::chrono::nanoseconds task_runs{};
  /// Actor workers have numbers of their own; their tasks_done counts messages, their busy includes
  /// the one in hand.
  worker_kind kind = worker_kind::tasks;
  double progress = 0; ///< 0 to 1, as the running task said last by this_task::progress; 0: nothing
};

/// A snapshot of one actor in a worker, its children there too. Detached actors are not listed, nor
/// those beyond 1024 in one worker.
struct actor_info {
  std::uint64_t id = 0;               ///< CAF's, unique in its process only
  std::string name;                   ///< actor_options::name, or the registered name; may be empty
  std::string type;                   ///< what CAF calls it, at most 32 bytes
  std::size_t worker = 0;             ///< worker_info::id, of kind actors
  pid_t pid = 0;                      ///< of that worker
  std::size_t mailbox = 0;            ///< messages that waited for it when it last came to its turn
  std::uint64_t messages = 0;         ///< that it has handled, time-outs too
  std::chrono::nanoseconds busy{};    ///< in its behaviour, the message in hand included
  std::chrono::nanoseconds in_hand{}; ///< how long it works at one message by now; 0: at none
  std::size_t restarts = 0;           ///< of a supervised actor: how often it was started again
  std::string supervisor = {};        ///< whose child it is, below those above: "shop/stock"; or ""
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
  /// Second runs that task_options::hedge_after began. Each is counted as a task of its own: as
  /// submitted, and as what it ended as.
  std::uint64_t hedged = 0;
  /// Blobs that this process holds now, of all its pools, and their memory, which others may share.
  std::uint64_t blobs = 0;
  std::uint64_t blob_bytes = 0;
};

/// What the calls of one function left behind in their workers: the sums of what each worker had
/// more, or less, after a call than before it.
struct task_growth {
  std::string task; ///< the function's name, as far as it is known
  std::uint64_t calls = 0;
  std::int64_t memory_bytes = 0; ///< resident
  std::int64_t descriptors = 0;  ///< open files, sockets and their like
  std::int64_t threads = 0;
};

} // namespace bulkhead
