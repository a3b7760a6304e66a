#pragma once

#include <bulkhead/code_trace.hpp>
#include <bulkhead/violation.hpp>

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace bulkhead {

/// What ended a process. A closed set; the first cause wins.
enum class exit_cause : std::uint8_t {
  none,             ///< the process has not ended, or no process is concerned
  exited,           ///< it called exit, _exit or returned
  crashed,          ///< a signal that the program raised itself: SIGSEGV, SIGABRT, SIGFPE, ...
  killed,           ///< a signal from outside, SIGKILL first of all
  timed_out,        ///< the host killed it: a task exceeded its time limit
  memory_limit,     ///< the host killed it: it exceeded max_memory_per_worker
  cpu_limit,        ///< it exceeded limits.cpu_time
  unresponsive,     ///< the host killed it: no heartbeat for unresponsive_after
  bad_message,      ///< the host killed it: it broke the wire protocol
  recycled,         ///< the host replaced it: task count, age, memory or resize
  start_failed,     ///< it ended before it could serve
  shutdown,         ///< the host ended it with its pool
  unknown,          ///< nobody could learn it (its forkserver was dead)
  policy_violation, ///< its sandbox forbids a system call that it made; see <bulkhead/sandbox.hpp>
  neighbour_killed, ///< the host killed it for another actor that shared it
  node_lost,        ///< its node was not heard of for a whole lease; it may still run there
};

/// The name of the cause as written above.
std::string_view to_string(exit_cause cause) noexcept;

/// How a process ended, as a value.
struct exit_status {
  int code = 0;   ///< exit code; 0 where the process did not exit by itself
  int signal = 0; ///< the real signal; 0 where none
  exit_cause cause = exit_cause::none;

  friend bool operator==(const exit_status&, const exit_status&) = default;
};

/// One line for people: "killed by SIGSEGV (Segmentation fault)", "exited with code 3".
std::string to_string(const exit_status& status);

/// Why a task has no value. Each kind has one exception class in <bulkhead/error.hpp>.
enum class failure_kind : std::uint8_t {
  task_exception, ///< the callable threw
  worker_died,    ///< its worker ended while the task may have been running
  timeout,        ///< a time limit or the deadline was exceeded, or a wait ended
  cancelled,      ///< cancelled by the user, or its pool was terminated
  pool_closed,    ///< submitted after close()
  pool_broken,    ///< the pool cannot keep workers alive
  poisoned,       ///< it killed too many workers and is quarantined
  rejected,       ///< the backlog was full under on_full::reject
  too_large,      ///< an argument or a result exceeds a stated capacity
  codec,          ///< an argument or a result did not encode or decode
  config,         ///< an option or a call is wrong
};

/// The name of the kind as written above.
std::string_view to_string(failure_kind kind) noexcept;

/// What went wrong with one task, where, and whether it may have executed.
struct failure {
  failure_kind kind = failure_kind::task_exception;
  std::string message;            ///< for people; one or more lines, bounded
  std::string type;               ///< demangled type of the task's exception, else empty
  pid_t worker = 0;               ///< pid of the worker concerned; 0 where none
  exit_status exit;               ///< how that worker ended; cause none where it lives on
  bool may_have_executed = false; ///< false: it certainly did not start
  std::string backtrace;          ///< of the crash, one frame a line; empty where none
  std::string last_output;        ///< last lines of the worker's stderr (prefix, capture) and log
  code_trace thrown_at;           ///< of the exception, in its worker; of a rethrow: where that was
  std::optional<policy_violation> violation = {}; ///< where exit.cause is policy_violation
};

/// A readable report: message, worker, exit status, backtrace or origin, last output.
std::string to_string(const failure& f);

} // namespace bulkhead
