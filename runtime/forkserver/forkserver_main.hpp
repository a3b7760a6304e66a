#pragma once

#include "runtime/system/unique_fd.hpp"

#include <sys/types.h>

namespace bulkhead::runtime {

/// What a forkserver begins with.
struct forkserver_birth {
  unique_fd request; ///< requests and replies, one at a time
  unique_fd notices; ///< exits, and news of starting workers
  pid_t host = 0;
  unsigned depth = 0; ///< of the host
};

/// Serves until the host is gone, then kills all workers and ends. In the forkserver, on its only
/// thread. Closes every inherited descriptor that is not its own.
[[noreturn]] void forkserver_main(forkserver_birth birth);

/// The same in a process made by exec, where only the request socket is known; the host sends the
/// rest. Ends with a message on stderr if `request` is no such socket.
[[noreturn]] void forkserver_by_exec(int request);

} // namespace bulkhead::runtime
