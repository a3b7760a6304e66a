#include "runtime/channel/segment_inbox.hpp"

#include "runtime/system/descriptors.hpp"
#include "runtime/system/packet_socket.hpp"

#include <fcntl.h>
#include <sys/eventfd.h>

#include <cerrno>
#include <chrono>
#include <exception>
#include <span>
#include <stdexcept>
#include <string>
#include <system_error>

// Descriptors that came for a worker. The watch thread receives, the task's thread takes and waits,
// at most half a minute; the mutex guards the lists. What was lost for want of a descriptor is
// noted, so that the frame fails at once and does not wait.
namespace bulkhead::runtime {

namespace {

constexpr std::chrono::seconds patience{30}; // it is in the socket: a machine that crawls

unique_fd any_descriptor() noexcept {
  return above_stdio(unique_fd{::eventfd(0, EFD_CLOEXEC)}); // a sandbox may forbid files
}

segment map_arguments(unique_fd fd, std::size_t bytes) {
  auto mapped = segment::attach(std::move(fd), bytes, 0, segment::access::read_only);
  mapped.close_fd();
  return mapped;
}

} // namespace

void segment_inbox::keep_reserve() noexcept { reserve_ = any_descriptor(); }

void segment_inbox::receive(int control) noexcept {
  try {
    receive_one(control);
  } catch (const std::exception&) { // no memory
    const std::lock_guard lock{mutex_};
    lost_unnoted_ = true;
    changed_.notify_all();
  }
  if (!reserve_)
    reserve_ = any_descriptor();
}

void segment_inbox::receive_one(int control) {
  // Given up for this one call: without a free number the kernel would drop what comes, and its
  // name with it.
  reserve_.reset();
  parcel_packet packet;
  auto got = packet_socket::receive(control, std::as_writable_bytes(std::span{&packet, 1}),
                                    std::chrono::steady_clock::now());
  const auto& head = packet.head;
  if (got.bytes < sizeof head)
    return;
  if (got.error == EMFILE)
    return lose(head.kind, head.number);
  if (got.error != 0)
    return;
  if (head.kind == packet_kind::segment)
    return receive_segment(head.number, head.value, std::move(got.fds));
  if (auto parcel = make_parcel(packet, std::move(got)); parcel.error == 0)
    put(std::move(parcel));
}

void segment_inbox::receive_segment(std::uint32_t id, std::uint64_t bytes,
                                    std::vector<unique_fd> fds) {
  if (fds.size() == 1)
    put(id, std::move(fds[0]), static_cast<std::size_t>(bytes));
}

void segment_inbox::lose(packet_kind kind, std::uint32_t number) {
  const std::lock_guard lock{mutex_};
  lost_.insert({kind, number});
  changed_.notify_all();
}

void segment_inbox::put(arrived_parcel&& parcel) {
  const std::lock_guard lock{mutex_};
  parcels_.insert_or_assign(parcel.number, std::move(parcel.list));
  changed_.notify_all();
}

// Mapped at once, so that no descriptor is kept; where that fails, take tries again and tells why.
void segment_inbox::put(std::uint32_t id, unique_fd fd, std::size_t bytes) {
  arrived came{std::move(fd), bytes};
  try {
    unique_fd copy{::fcntl(came.fd.get(), F_DUPFD_CLOEXEC, 0)};
    came.mapped = map_arguments(copy ? std::move(copy) : std::move(came.fd), bytes);
    came.fd.reset();
  } catch (const std::system_error&) {
  }
  const std::lock_guard lock{mutex_};
  lost_.erase({packet_kind::segment, id});
  segments_.insert_or_assign(id, std::move(came));
  changed_.notify_all();
}

bool segment_inbox::await(std::unique_lock<std::mutex>& lock, packet_kind kind,
                          std::uint32_t number) {
  return changed_.wait_for(lock, patience, [&] {
    const bool here =
      kind == packet_kind::segment ? segments_.contains(number) : parcels_.contains(number);
    return here || lost_.contains({kind, number}) || lost_unnoted_;
  });
}

void segment_inbox::say_lost(bool in_time) {
  lost_unnoted_ = false;
  throw std::runtime_error(in_time ? "a descriptor that brings them was lost: this process has "
                                     "no free descriptors or no memory"
                                   : "the descriptor that brings them has not come");
}

detail::descriptor_list segment_inbox::take_parcel(std::uint32_t number) {
  std::unique_lock lock{mutex_};
  const auto in_time = await(lock, packet_kind::parcel, number);
  auto found = parcels_.extract(number);
  // Older ones belong to frames that were never sent, or were given back.
  parcels_.erase(parcels_.begin(), parcels_.upper_bound(number));
  if (found.empty())
    say_lost(in_time);
  return std::move(found.mapped());
}

segment segment_inbox::take(std::uint32_t id) {
  std::unique_lock lock{mutex_};
  const auto in_time = await(lock, packet_kind::segment, id);
  const auto found = segments_.find(id);
  if (found == segments_.end())
    say_lost(in_time);
  auto& came = found->second;
  auto mapped = std::move(came.mapped);
  if (mapped.head() == nullptr) {
    // It stays here until it is mapped: the host sends it only once and may use it again.
    unique_fd copy{::fcntl(came.fd.get(), F_DUPFD_CLOEXEC, 0)};
    if (!copy)
      throw std::system_error(errno, std::generic_category(), "fcntl(F_DUPFD_CLOEXEC)");
    mapped = map_arguments(std::move(copy), came.bytes);
  }
  segments_.erase(found);
  return mapped;
}

} // namespace bulkhead::runtime
