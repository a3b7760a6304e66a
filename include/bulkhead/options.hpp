#pragma once

#include <bulkhead/callable.hpp>
#include <bulkhead/failure.hpp>
#include <bulkhead/sandbox.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace bulkhead::detail {
class pool_engine;
}

namespace bulkhead {

/// How workers come to be.
enum class start_method : std::uint8_t {
  forkserver, ///< forked from a small single-threaded process: fast and safe (default)
  spawn,      ///< as forkserver, then exec: a fresh address-space layout
  fork,       ///< copies of the host as it is when the pool is made; host must be single-threaded
  thread,     ///< threads of the host: no isolation; the comparison, and for sanitizers
  eager,      ///< no workers: tasks run in the caller
};

/// What submit does when the backlog is full.
enum class on_full : std::uint8_t {
  block,         ///< wait for room
  reject,        ///< throw queue_full
  drop_oldest,   ///< end the task that has waited longest as `rejected`, of the lowest priority
  run_in_caller, ///< run the task in the thread that submits it: no isolation, no limits
};

/// How tasks are distributed over workers.
enum class dispatch_policy : std::uint8_t {
  least_loaded, ///< fewest unanswered tasks first (default)
  round_robin,
  random,
  key_hash, ///< same task_options::key, same worker (consistent hash)
};

/// Where the standard output and error of workers go.
enum class output_mode : std::uint8_t {
  inherit, ///< the host's own descriptors (default)
  prefix,  ///< line by line to the host's stderr, with pool name and worker id
  capture, ///< kept by the host, last 16 KiB of each worker; goes into failure::last_output
  null,    ///< /dev/null
};

/// Restart intensity as in Erlang/OTP: more than `max_restarts` unexplained deaths `within` a
/// period break the pool. Deaths that a task explains do not count.
struct restart_policy {
  std::optional<std::size_t> max_restarts = {}; ///< default: 10 + 4 x workers
  std::chrono::nanoseconds within = std::chrono::seconds{10};
  std::chrono::nanoseconds backoff_initial = std::chrono::milliseconds{50};
  std::chrono::nanoseconds backoff_max = std::chrono::seconds{2};
};

/// What a task with `retries` is tried again after, and when. A task that was cancelled or whose
/// deadline has passed never is.
struct retry_policy {
  /// worker_died, timeout (of a time limit) and task_exception are possible; at least one.
  std::vector<failure_kind> kinds = {failure_kind::worker_died, failure_kind::timeout};
  std::vector<exit_cause> causes = {}; ///< of worker_died: only after these; empty: after all
  /// Of task_exception: only these, as failure::type names them; empty: all.
  std::vector<std::string> types = {};
  std::chrono::nanoseconds pause = std::chrono::milliseconds{5}; ///< before the first; then doubled
  std::chrono::nanoseconds pause_max = std::chrono::milliseconds{320};

  friend bool operator==(const retry_policy&, const retry_policy&) = default;
};

/// Resource limits of each worker, by setrlimit(2). Empty: inherited (core_size: 0).
struct resource_limits {
  std::optional<std::uint64_t> address_space = {}; ///< bytes, RLIMIT_AS
  std::chrono::nanoseconds cpu_time{};             ///< RLIMIT_CPU, rounded up to seconds; 0: none
  std::optional<std::uint64_t> open_files = {};    ///< RLIMIT_NOFILE
  std::optional<std::uint64_t> core_size = 0;      ///< bytes, RLIMIT_CORE
  std::optional<std::uint64_t> file_size = {};     ///< bytes, RLIMIT_FSIZE
  std::optional<std::uint64_t> stack_size = {};    ///< bytes, RLIMIT_STACK
  std::optional<std::uint64_t> processes = {};     ///< RLIMIT_NPROC, counts by user id

  friend bool operator==(const resource_limits&, const resource_limits&) = default;
};

/// What pool_options::on_event tells.
enum class event_kind : std::uint8_t {
  started,     ///< a worker process exists
  ready,       ///< it serves
  died,        ///< it ended unasked
  recycled,    ///< it ended because the pool replaced it
  quarantined, ///< a task was refused further attempts
  restarting,  ///< a replacement waits for its back-off
  broken,      ///< the pool gave up
};

struct pool_event {
  event_kind kind = event_kind::started;
  std::size_t worker = 0; ///< worker id; actor workers have numbers of their own
  pid_t pid = 0;
  exit_status exit;                ///< of died and recycled
  std::string text;                ///< one line for people
  std::uint64_t tasks_done = 0;    ///< by this worker so far; final in died and recycled
  std::chrono::nanoseconds busy{}; ///< time it spent in tasks that were answered
};

/// A line that a worker has printed, without its end: printable, at most 4 KiB.
struct output_line {
  std::size_t worker = 0; ///< worker id
  std::string text;
};

/// Options of a pool. Every member has its default; times of 0 mean none.
struct pool_options {
  std::size_t workers = 0; ///< 0: available_parallelism()
  start_method start = start_method::forkserver;
  std::string name = {};                         ///< for people; shown in messages
  callable initializer = {};                     ///< runs once in each worker before its first task
  callable finalizer = {};                       ///< runs in each worker that ends in order
  std::size_t max_tasks_per_worker = 0;          ///< recycled after exactly so many; 0: never
  std::size_t max_memory_per_worker = 0;         ///< bytes of resident memory; 0: no limit
  std::chrono::nanoseconds max_age_per_worker{}; ///< recycled at this age; 0: never
  std::chrono::nanoseconds task_timeout{};       ///< hard, a task or an actor's message; 0: none
  std::chrono::nanoseconds grace = std::chrono::seconds{2}; ///< from a polite request to SIGKILL
  std::chrono::nanoseconds unresponsive_after = std::chrono::seconds{5}; ///< without a heartbeat
  std::size_t queue_capacity = 65'536;              ///< tasks that may wait, 1 or more
  std::size_t queue_bytes = std::size_t{256} << 20; ///< bytes of waiting arguments
  bulkhead::on_full on_full = bulkhead::on_full::block;
  dispatch_policy dispatch = dispatch_policy::least_loaded;
  restart_policy restart = {};
  std::size_t retries = 0;      ///< declares all tasks idempotent
  std::size_t poison_after = 3; ///< workers one retried task may kill; 0: no end
  resource_limits limits = {};
  std::size_t ring_capacity = std::size_t{1} << 20; ///< bytes each way; 64 KiB to 1 GiB
  output_mode output = output_mode::inherit;
  std::vector<int> affinity = {};                       ///< CPUs the workers may use; empty: all
  int nice = 0;                                         ///< added to the workers' niceness, 0 to 19
  std::size_t actor_workers = 0;                        ///< 0: as many as workers
  std::function<void(const pool_event&)> on_event = {}; ///< runs on the pool's callback thread
  /// From a worker's launch to the end of its initializer; then it is killed, which counts in
  /// `restart` as a failed start. 0: none. Ten minutes are for initializers that load much.
  std::chrono::nanoseconds ready_within = std::chrono::minutes{10};
  sandbox_policy sandbox = {}; ///< what workers may do by themselves
  retry_policy retry = {};     ///< with `retries`
  /// `workers` is what a pool begins with. It grows at once where there are more tasks than
  /// workers, and lets those go that for a whole idle_timeout it had no task for. 0: as `workers`.
  std::size_t min_workers = 0;
  std::size_t max_workers = 0;
  std::chrono::nanoseconds idle_timeout = std::chrono::minutes{1}; ///< above 0
  /// Null: tasks run in processes of this machine. Else on the nodes of an engine, as
  /// bulkhead::rabbitmq{...} of <bulkhead/rabbitmq.hpp>; what concerns workers is then set at the
  /// nodes, and refused here.
  std::shared_ptr<const detail::pool_engine> engine = {};
  /// Tasks, or chunks of a map, that a worker holds beyond the one it runs. Empty: guided by
  /// measured time, which suits tasks below a millisecond. 0: nothing waits behind a running task.
  std::optional<std::size_t> prefetch = {};
  /// Threads that OpenMP, OpenBLAS, MKL, BLIS and their like use in each worker, actor workers too,
  /// by their environment variables and, where they are loaded already, their own functions. 0: as
  /// they choose, which is one a CPU in each worker.
  std::size_t threads_per_worker = 0;
  /// Each line of the workers of tasks, with output_mode::prefix and capture. Runs on the pool's
  /// callback thread; while 4096 lines wait for it, further ones are dropped and counted in a line.
  std::function<void(const output_line&)> on_output = {};
  bool measure_growth = false; ///< for pool::growth(); costs some 0.1 ms a task
  /// Lets `bulkhead top` and other programs of the same user look at the pool, as
  /// BULKHEAD_OBSERVE=1 does for all pools of a program. config_error where the library
  /// bulkhead::observe is neither in the program nor beside this one, and for an eager pool.
  bool observe = false;
  /// Bytes of shared memory that one result may bring: of its blobs, segments and queues together.
  /// A result with more is too_large, and the host maps nothing of it. 0: as many as there are.
  std::size_t max_shared_result = 0;
};

/// Options of single tasks, through `pool.with(task_options)`.
struct task_options {
  std::chrono::nanoseconds timeout{};      ///< hard, from the start: its worker is killed
  std::chrono::nanoseconds soft_timeout{}; ///< from the start: this_worker::stop_requested()
  std::chrono::nanoseconds deadline{};     ///< from submit: expired work never starts
  std::optional<std::size_t> retries = {}; ///< declares the task idempotent; pool's where empty
  int priority = 0;                        ///< higher goes first; orders the backlog
  std::string key = {};                    ///< for dispatch_policy::key_hash
  std::optional<retry_policy> retry = {};  ///< with retries; pool's where empty
  /// Declares the task idempotent: when it has run for so long and another worker is idle, that one
  /// runs it too. The first value or exception counts, and the other run is cancelled as by
  /// cancel(true); a death counts only when both have died. Chunks of a map have one item then. 0:
  /// never.
  std::chrono::nanoseconds hedge_after{};
};

/// Options of map and its kin.
struct map_options {
  std::size_t chunk = 0; ///< items sent together; 0: guided by measured time
  /// In the thread that waits or iterates; of map_async on the pool's callback thread. `total` is
  /// what has been read of the input so far. At most every 50 ms, and at the end; of
  /// map_async while a copy of its future lives.
  std::function<void(std::size_t done, std::size_t total)> on_progress = {};
  std::size_t buffersize = 0; ///< items imap looks ahead; 0: min(queue_capacity, 1024 x workers)
  /// From the call to the last result, reading the input included; then timeout_error, what has not
  /// begun is cancelled, and what runs goes on unheard. 0: none. map_async refuses it: use
  /// future::get(timeout).
  std::chrono::nanoseconds timeout{};
};

/// What pool::shutdown does.
struct shutdown_options {
  bool wait = true;            ///< returns when all tasks and workers have ended, as join()
  bool cancel_pending = false; ///< what has not begun ends as cancelled
};

} // namespace bulkhead
