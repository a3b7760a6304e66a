#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <stop_token>
#include <string_view>

/// What code that runs inside a worker may ask about its worker.
namespace bulkhead::this_worker {

/// True inside a worker (process or thread) of a pool, and inside a bulkhead::process.
bool active() noexcept;

/// The worker's number in its pool, or the process's among its parent's; unique, 0 elsewhere.
std::size_t id() noexcept;

/// The pool's name; inside a bulkhead::process that of the process; empty elsewhere.
std::string_view pool_name() noexcept;

/// True once the host asks the running task to end: soft_timeout, cancel(kill_running), shutdown;
/// in a bulkhead::process: process::interrupt().
bool stop_requested() noexcept;

/// The same as a std::stop_token; triggers within some milliseconds of the request.
std::stop_token stop_token();

/// Writes one line to the standard error, at once and whole up to 4 KiB, and keeps it for
/// failure::last_output and pool::last_output, wherever the output goes (the last 2 KiB). Anywhere
/// but in a worker of tasks it only writes. Thread-safe.
void log(std::string_view line) noexcept;

} // namespace bulkhead::this_worker

/// What a running task may ask about itself. All calls are cheap and never fail outside a task.
namespace bulkhead::this_task {

/// The task's number in its pool; 0 outside a task.
std::uint64_t id() noexcept;

/// 1 for the first attempt, 2 for the first retry, and so on; 0 outside a task.
std::size_t attempt() noexcept;

/// When the task should have ended: the nearest of its limits; empty where it has none.
std::optional<std::chrono::steady_clock::time_point> deadline() noexcept;

/// Publishes how far the task is, 0 to 1, for whoever looks at the pool's workers.
void progress(double fraction) noexcept;

} // namespace bulkhead::this_task
