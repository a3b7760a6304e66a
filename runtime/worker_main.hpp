#pragma once

#include "runtime/launch_message.hpp"
#include "runtime/unique_fd.hpp"

#include <span>
#include <vector>

namespace bulkhead::runtime {

/// What a new worker begins with, forked or exec'ed. Descriptors are borrowed from its parent
/// where it is a fork: the clean start closes what it does not keep.
struct worker_birth {
  request_head head;
  std::span<const std::byte> body; ///< known modules, then start bytes unless in a memfd
  std::vector<unique_fd> fds;      ///< as in the launch request
  int notices = -1;
  int host = -1;
  unsigned depth = 0;
};

/// The clean start, then the entry function, then _exit. A failed start is told through the notice
/// socket and ends with exit_start_failed. Without the host's "go", the entry never runs.
[[noreturn]] void worker_main(worker_birth birth) noexcept;

/// The same in a process made by exec, which gets its birth through `socket`. Ends with a message
/// on stderr if that is no such socket.
[[noreturn]] void worker_by_exec(int socket);

} // namespace bulkhead::runtime
