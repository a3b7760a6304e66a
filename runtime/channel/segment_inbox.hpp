#pragma once

#include "runtime/system/segment.hpp"

#include <condition_variable>
#include <cstdint>
#include <map>
#include <mutex>
#include <set>

namespace bulkhead::runtime {

/// Argument segments on their way to the worker's loop. The host sends each one's descriptor on
/// the control socket before the frame that needs it. Thread-safe.
class segment_inbox {
public:
  /// Keeps a descriptor free for receive. Only in a worker, before its thread begins.
  void keep_reserve() noexcept;

  /// Reads one packet off the socket and maps what it brings; called by the thread that watches it.
  /// A segment that cannot come in is noted as lost, so that nobody waits for it.
  void receive(int control) noexcept;

  /// The same for a worker that is a thread of the host and has no socket.
  void put(std::uint32_t id, unique_fd fd, std::size_t bytes);

  /// Waits for the segment; the host has sent it already. Read-only. Throws std::runtime_error for
  /// one that was lost or has not come within 30 s, std::system_error where it cannot be mapped.
  segment take(std::uint32_t id);

private:
  struct arrived {
    unique_fd fd;
    std::size_t bytes;
    segment mapped = {}; ///< else it is mapped from `fd` when it is taken
  };

  void receive_one(int control);
  void lose(std::uint32_t id);

  std::mutex mutex_;
  std::condition_variable changed_;
  std::map<std::uint32_t, arrived> segments_;
  std::set<std::uint32_t> lost_;
  bool lost_unnoted_ = false; ///< one was lost, and there was no memory to note which
  unique_fd reserve_; ///< of the receiving thread: a task may have used up all other descriptors
};

} // namespace bulkhead::runtime
