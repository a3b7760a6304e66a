#pragma once

#include "runtime/system/unique_fd.hpp"

#include <chrono>
#include <cstdint>
#include <string>

namespace bulkhead::runtime {

/// The host's ends of one forkserver.
struct forkserver_link {
  unique_fd request;
  unique_fd notices;
  unique_fd pidfd;
  pid_t pid = 0;
  std::string threads; ///< names of foreign threads in it; not empty: it execs each worker
};

/// A copy of this process by clone. Only while it is single-threaded. The child is invisible to
/// wait(2) without __WCLONE and sends no SIGCHLD. Throws launch_error.
forkserver_link forkserver_by_clone();

/// A new process from our own binary, which init turns into a forkserver. After exec the kernel
/// makes it an ordinary child: wait(2) sees it, and its death sends SIGCHLD. Throws launch_error,
/// also when it does not answer within the deadline or pools are nested too deep.
forkserver_link forkserver_by_exec(std::chrono::steady_clock::time_point deadline);

/// A copy of this process as it is now, for start_method::fork. Throws launch_error with the
/// names of foreign threads if there are any.
forkserver_link forkserver_copy();

/// Closes the sockets, which ends it and its workers; waits for that, kills it if it takes longer
/// than 3 s, and reaps it.
void dismiss_forkserver(forkserver_link& link) noexcept;

/// Waits, at most 3 s each, for the forkservers that this process had before it executed itself,
/// and reaps them. Single-threaded.
void reap_former_forkservers() noexcept;

/// Kills the forkserver and reaps it within a bounded time. For one that hangs or is not needed.
void end_forkserver(forkserver_link& link) noexcept;

} // namespace bulkhead::runtime
