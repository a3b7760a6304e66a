#pragma once

#include "runtime/forkserver/worker_birth.hpp"

namespace bulkhead::runtime {

/// The clean start, then the entry function, then _exit. A failed start is told through the notice
/// socket and ends with exit_start_failed. Without the host's "go", the entry never runs.
[[noreturn]] void worker_main(worker_birth birth) noexcept;

/// The same in a process made by exec, which gets its birth through `socket`. Ends with a message
/// on stderr if that is no such socket.
[[noreturn]] void worker_by_exec(int socket);

} // namespace bulkhead::runtime
