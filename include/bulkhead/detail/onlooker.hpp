#pragma once

#include <bulkhead/detail/function_ref.hpp>
#include <bulkhead/options.hpp>
#include <bulkhead/pool_info.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace bulkhead::detail {

/// Which function a task calls: `function` where it is an ordinary one, known by its address; else
/// the type of the callable is in `stub`.
struct called {
  function_ref stub;
  function_ref function;

  friend bool operator==(const called&, const called&) = default;
};

/// "word_count" of BULKHEAD_TASK, else the function's name by the symbol table of its module, of a
/// lambda that of the function around it. Slow: opens the module's file. Thread-safe. Throws
/// std::bad_alloc.
std::string name_of(const called& what);

/// What a worker is at now.
struct running_task {
  std::size_t worker = 0; ///< worker_info::id, of kind tasks
  called what;
};

/// Tasks that ended together: one, or items of a map that follow one another.
struct items_end {
  std::uint64_t task = 0; ///< future::id() of the first
  std::uint32_t items = 0;
  std::uint32_t attempt = 0;
  called what;
  std::size_t worker = 0; ///< id; 0: it never was with one
  pid_t pid = 0;
  /// When it came to wait; {}: nobody looked on then.
  std::chrono::steady_clock::time_point queued;
  std::chrono::steady_clock::time_point sent; ///< to its worker; {}: nobody looked on then
  std::chrono::steady_clock::time_point ended;
  std::chrono::nanoseconds ran{};  ///< each, as the worker says; 0: not measured
  const failure* failed = nullptr; ///< null: it has a value
};

/// A part of a task that it has named: this_task::span. As its worker says.
struct task_span {
  std::uint64_t task = 0; ///< future::id()
  std::string_view name;  ///< borrowed
  std::chrono::steady_clock::time_point began;
  std::chrono::nanoseconds took{};
};

/// A message that an actor has handled. As its worker says.
struct actor_turn {
  std::size_t worker = 0;  ///< worker_info::id, of kind actors
  std::uint64_t actor = 0; ///< actor_info::id
  std::chrono::steady_clock::time_point began;
  std::chrono::nanoseconds took{};
};

/// Looks on at a pool. Called under the pool's lock, or an actor worker's: only stores.
class onlooker {
public:
  virtual ~onlooker() = default;
  virtual void items_ended(const items_end& what) noexcept = 0;
  /// Before or soon after the end of the task. The names are printable.
  virtual void span_ended(std::size_t worker, const task_span& what) noexcept = 0;
  /// Somebody has asked for its outcome. Only where pool_core::tell_takes was called.
  virtual void outcome_taken(std::uint64_t task,
                             std::chrono::steady_clock::time_point when) noexcept = 0;
  virtual void happened(worker_kind among, const pool_event& event) noexcept = 0;
  /// The pool has ended: nothing more comes, and these are its last counts. Without a lock, in the
  /// thread that ended it.
  virtual void pool_ended(const pool_stats& last) noexcept = 0;
};

} // namespace bulkhead::detail
