#include "runtime/channel/segment_inbox.hpp"

#include "runtime/system/descriptors.hpp"
#include "runtime/system/packet_socket.hpp"

#include <fcntl.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <exception>
#include <span>
#include <stdexcept>
#include <string>
#include <system_error>

namespace bulkhead::runtime {

namespace {

constexpr std::chrono::seconds patience{30}; // it is in the socket: a machine that crawls

unique_fd any_descriptor() noexcept {
  return above_stdio(unique_fd{::open("/dev/null", O_RDONLY | O_CLOEXEC)});
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
  reserve_.reset();
  std::array<std::uint64_t, 2> what{}; // id, bytes
  auto packet = packet_socket::receive(control, std::as_writable_bytes(std::span(what)),
                                       std::chrono::steady_clock::now());
  if (packet.bytes != sizeof what)
    return;
  const auto id = static_cast<std::uint32_t>(what[0]);
  if (packet.error == EMFILE)
    return lose(id);
  if (packet.error != 0 || packet.fds.size() != 1)
    return;
  put(id, std::move(packet.fds[0]), static_cast<std::size_t>(what[1]));
}

void segment_inbox::lose(std::uint32_t id) {
  const std::lock_guard lock{mutex_};
  lost_.insert(id);
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
  lost_.erase(id);
  segments_.insert_or_assign(id, std::move(came));
  changed_.notify_all();
}

segment segment_inbox::take(std::uint32_t id) {
  std::unique_lock lock{mutex_};
  const auto known = [&] { return segments_.contains(id) || lost_.contains(id) || lost_unnoted_; };
  const auto in_time = changed_.wait_for(lock, patience, known);
  const auto found = segments_.find(id);
  if (found == segments_.end()) {
    lost_unnoted_ = false;
    throw std::runtime_error(in_time ? "a descriptor that brings them was lost: this process has "
                                       "no free descriptors or no memory"
                                     : "the descriptor that brings them has not come");
  }
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
