#pragma once

#include "runtime/forkserver/worker_birth.hpp"

#include <sys/types.h>

namespace bulkhead::runtime {

/// Starts a worker with an address space of its own: fork, then exec of our own binary, which
/// receives the same birth through a socket. In the forkserver; safe when that has threads.
/// Throws launch_error.
pid_t exec_worker(const worker_birth& birth);

/// Receives what exec_worker sent. False if `socket` is no socket of ours. `packet` keeps the
/// bytes.
bool receive_birth(int socket, std::vector<std::byte>& packet, worker_birth& birth);

} // namespace bulkhead::runtime
