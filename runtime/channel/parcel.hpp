#pragma once

#include "runtime/system/packet_socket.hpp"

#include <bulkhead/detail/descriptor_list.hpp>

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <mutex>

namespace bulkhead::runtime {

/// What a packet on a worker's control socket brings.
enum class packet_kind : std::uint32_t {
  segment = 0, ///< one descriptor: an argument segment of `value` bytes
  parcel = 1   ///< the descriptors of one message; `value` of them, their keys follow
};

struct packet_head {
  std::uint32_t number; ///< of the segment or parcel
  packet_kind kind;
  std::uint64_t value;
};
static_assert(sizeof(packet_head) == 16);

/// A packet as it is received: the head, then the keys of a parcel.
struct parcel_packet {
  packet_head head{};
  std::array<std::uint64_t, detail::descriptor_list::most> keys{};
};

/// Sends the list as a parcel, waiting at most until the deadline for room in the socket. 0 or
/// errno: EAGAIN or ETIMEDOUT where it stays full, EBADF where one is closed.
int send_parcel(int control, std::uint32_t number, const detail::descriptor_list& list,
                std::chrono::steady_clock::time_point deadline) noexcept;

/// Bytes of the shared memory that is among them.
std::uint64_t memory_behind(const detail::descriptor_list& list);

/// What one look at a control socket brought.
struct arrived_parcel {
  int error = 0; ///< EMFILE: they did not fit under RLIMIT_NOFILE; EBADMSG: no parcel; else errno
  std::uint32_t number = 0;
  detail::descriptor_list list = {};
};

/// The parcel of a packet; error EBADMSG where head, length and descriptors do not agree. Throws
/// std::bad_alloc.
arrived_parcel make_parcel(const parcel_packet& packet, packet_socket::received got);

/// The parcel that waits at the socket; never blocks. Error ENOMEM where there was no memory for
/// it; it is lost then.
arrived_parcel receive_parcel(int control) noexcept;

/// Parcels on their way from a worker that is a thread to its host, in order. Thread-safe.
class parcel_box {
public:
  void put(arrived_parcel&& p);
  /// The oldest; error ENOMSG where there is none.
  arrived_parcel take() noexcept;

private:
  std::mutex mutex_;
  std::deque<arrived_parcel> parcels_;
};

} // namespace bulkhead::runtime
