#pragma once

#include "runtime/system/segment.hpp"

#include <condition_variable>
#include <cstdint>
#include <map>
#include <mutex>

namespace bulkhead::runtime {

/// Argument segments on their way to the worker's loop. The host sends each one's descriptor on
/// the control socket before the frame that needs it. Thread-safe.
class segment_inbox {
public:
  /// Reads one packet off the socket; called by the thread that watches it.
  void receive(int control);

  /// The same for a worker that is a thread of the host and has no socket.
  void put(std::uint32_t id, unique_fd fd, std::size_t bytes);

  /// Waits for the segment; the host has sent it already. Maps it read-only.
  segment take(std::uint32_t id);

private:
  struct arrived {
    unique_fd fd;
    std::size_t bytes;
  };
  std::mutex mutex_;
  std::condition_variable changed_;
  std::map<std::uint32_t, arrived> segments_;
};

} // namespace bulkhead::runtime
