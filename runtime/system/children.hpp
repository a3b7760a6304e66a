#pragma once

#include <sys/types.h>

#include <cstddef>
#include <span>

namespace bulkhead::runtime {

/// Writes the pids of this process's children that thread `thread` made or adopted, ended ones
/// included, and returns how many fitted. Async-signal-safe. 0 where /proc does not tell.
std::size_t list_children(pid_t thread, std::span<pid_t> into) noexcept;

/// Kills all children of all threads of this process, and what they leave to us when they die,
/// until none lives or 200 ms have passed. For a worker that ends without an undertaker.
void kill_all_children() noexcept;

} // namespace bulkhead::runtime
