#pragma once

#include <bulkhead/failure.hpp>
#include <bulkhead/observe/histogram.hpp>
#include <bulkhead/options.hpp>
#include <bulkhead/pool_info.hpp>

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace bulkhead::observe {

/// A worker, with what the system tells of its process.
struct worker_sight {
  worker_info worker;
  std::string running;         ///< name of the task that it runs; empty: none
  double cpu = 0;              ///< processors that it used lately: 1 is one of them
  double cpu_seconds = 0;      ///< processor time since its start
  std::size_t descriptors = 0; ///< open ones; 0 where it cannot be read
};

/// All tasks of one name.
struct task_sight {
  std::string name;
  std::uint64_t succeeded = 0;
  std::uint64_t failed = 0;
  std::uint64_t cancelled = 0;
  /// Of tasks that ended in a worker. Short ones are measured one in eight, and the others counted
  /// like the last that was.
  histogram run;
  histogram wait;     ///< from submit, or from the end of the attempt before, to the start
  histogram dispatch; ///< the part of it behind the sending to the worker
};

/// How a task ended.
enum class task_result : std::uint8_t { succeeded, failed, cancelled };

/// A task, or items of a map, on its worker's time line.
struct slice {
  std::uint64_t number = 0; ///< 1, 2, ... in the order of their ends
  std::uint64_t task = 0;   ///< future::id() of the first
  std::uint32_t items = 1;
  std::uint32_t attempt = 1;
  std::size_t worker = 0; ///< worker_info::id; 0: it never was with one
  pid_t pid = 0;
  std::string name;
  task_result result = task_result::succeeded;
  std::chrono::nanoseconds began{};  ///< since the watch began; estimated where none was measured
  std::chrono::nanoseconds ended{};  ///< since the watch began
  std::chrono::nanoseconds waited{}; ///< before it began
};

/// A failed task.
struct failure_sight {
  std::uint64_t number = 0; ///< 1, 2, ...
  std::uint64_t task = 0;   ///< future::id()
  std::uint32_t attempt = 1;
  std::size_t worker = 0;
  std::string name;
  std::chrono::system_clock::time_point at;
  failure what;
};

/// A message that an actor has handled.
struct message_sight {
  std::uint64_t number = 0;         ///< 1, 2, ...
  std::uint64_t actor = 0;          ///< actor_info::id
  std::size_t worker = 0;           ///< worker_info::id, of kind actors
  std::string name;                 ///< the actor's, or its type
  std::chrono::nanoseconds began{}; ///< since the watch began
  std::chrono::nanoseconds ended{};
};

/// What happened to a worker, or to the pool.
struct event_sight {
  std::uint64_t number = 0; ///< 1, 2, ...
  worker_kind among = worker_kind::tasks;
  std::chrono::system_clock::time_point at;
  std::chrono::nanoseconds since_begin{}; ///< since the watch began
  pool_event event;
};

/// The pool at one moment of the past.
struct point {
  std::chrono::nanoseconds at{}; ///< since the watch began
  std::uint64_t done = 0;        ///< tasks with an outcome by then, since the pool was made
  std::uint64_t failed = 0;
  std::uint64_t queued = 0;
  std::size_t busy = 0;    ///< workers of tasks that ran something
  std::size_t workers = 0; ///< of tasks
  std::uint64_t rss_bytes = 0;
};

/// All that is known of a pool at one moment. A plain value.
struct snapshot {
  std::string pool;      ///< its name
  std::uint64_t key = 0; ///< of this pool among those that were looked at, from 1 on
  pid_t host = 0;
  std::chrono::system_clock::time_point taken;
  std::chrono::system_clock::time_point began; ///< when the watch began
  bool ended = false;                          ///< the pool has: nothing changes any more
  pool_stats stats;
  double tasks_a_second = 0; ///< outcomes, over the last seconds
  std::vector<worker_sight> workers;
  std::vector<actor_info> actors;
  std::vector<task_sight> tasks;
  std::map<std::string, std::uint64_t> deaths; ///< ends of workers that nobody asked for, by cause
  std::vector<slice> slices;                   ///< the last ones
  std::vector<failure_sight> failures;         ///< the last ones
  std::vector<event_sight> events;             ///< the last ones
  std::vector<point> history;                  ///< from the begin on, ever coarser
  std::uint64_t unseen = 0; ///< outcomes that came too fast to be looked at one by one
  std::vector<message_sight> messages = {}; ///< the last ones that actors handled
};

} // namespace bulkhead::observe
