#pragma once

#include "runtime/channel/parcel.hpp"
#include "runtime/system/segment.hpp"

#include <condition_variable>
#include <cstdint>
#include <map>
#include <mutex>
#include <set>
#include <utility>
#include <vector>

namespace bulkhead::runtime {

/// Argument segments and parcels of descriptors on their way to the worker's loop. The host sends
/// each on the control socket before the frame that needs it. Thread-safe.
class segment_inbox {
public:
  /// Keeps a descriptor free for receive. Only in a worker, before its thread begins.
  void keep_reserve() noexcept;

  /// Reads one packet off the socket and maps what it brings; called by the thread that watches it.
  /// What cannot come in is noted as lost, so that nobody waits for it.
  void receive(int control) noexcept;

  /// The same for a worker that is a thread of the host and has no socket.
  void put(std::uint32_t id, unique_fd fd, std::size_t bytes);
  /// Throws std::bad_alloc.
  void put(arrived_parcel&& parcel);

  /// Waits for the segment; the host has sent it already. Read-only. Throws std::runtime_error for
  /// one that was lost or has not come within 30 s, std::system_error where it cannot be mapped.
  segment take(std::uint32_t id);

  /// Waits for the parcel in the same way; those before it are dropped: nobody will ask for them.
  detail::descriptor_list take_parcel(std::uint32_t number);

private:
  struct arrived {
    unique_fd fd;
    std::size_t bytes;
    segment mapped = {}; ///< else it is mapped from `fd` when it is taken
  };

  void receive_one(int control);
  void receive_segment(std::uint32_t id, std::uint64_t bytes, std::vector<unique_fd> fds);
  void lose(packet_kind kind, std::uint32_t number);
  /// Whether it is here or is known not to come; false after the patience.
  bool await(std::unique_lock<std::mutex>& lock, packet_kind kind, std::uint32_t number);
  [[noreturn]] void say_lost(bool in_time);

  std::mutex mutex_;
  std::condition_variable changed_;
  std::map<std::uint32_t, arrived> segments_;
  std::map<std::uint32_t, detail::descriptor_list> parcels_;
  std::set<std::pair<packet_kind, std::uint32_t>> lost_;
  bool lost_unnoted_ = false; ///< one was lost, and there was no memory to note which
  unique_fd reserve_; ///< of the receiving thread: a task may have used up all other descriptors
};

} // namespace bulkhead::runtime
