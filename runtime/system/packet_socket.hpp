#pragma once

#include "runtime/system/unique_fd.hpp"

#include <chrono>
#include <cstddef>
#include <span>
#include <utility>
#include <vector>

namespace bulkhead::runtime {

/// Packets with descriptors over a Unix SOCK_SEQPACKET pair: whole or not at all, in order, never
/// SIGPIPE. Functions return 0 or errno; no call blocks beyond its deadline.
namespace packet_socket {

using time_point = std::chrono::steady_clock::time_point;

/// As many descriptors as one packet may carry (the kernel's SCM_MAX_FD).
inline constexpr std::size_t max_fds = 253;

struct pair {
  unique_fd ours;
  unique_fd theirs;
};

/// A connected pair, close-on-exec, numbers above 2. Throws launch_error.
pair make();

/// Sends `head` and `body` as one packet. ETIMEDOUT when the peer's buffer stays full.
int send(int socket, std::span<const std::byte> head, std::span<const std::byte> body,
         std::span<const int> fds, time_point deadline) noexcept;

/// As send, but never waits and only async-signal-safe calls: EAGAIN when the buffer is full.
int send_now(int socket, std::span<const std::byte> packet, std::span<const int> fds) noexcept;

struct received {
  int error = 0; ///< ECONNRESET at the end of the stream, ETIMEDOUT, EMFILE, EMSGSIZE, ...
  std::size_t bytes = 0;
  std::vector<unique_fd> fds;
};

/// Receives one packet. Descriptors that did not fit under RLIMIT_NOFILE: EMFILE, none is kept.
received receive(int socket, std::span<std::byte> into, time_point deadline);

} // namespace packet_socket

} // namespace bulkhead::runtime
