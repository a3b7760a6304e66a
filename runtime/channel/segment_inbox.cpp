#include "runtime/channel/segment_inbox.hpp"

#include "runtime/system/packet_socket.hpp"

#include <fcntl.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <span>
#include <system_error>

namespace bulkhead::runtime {

void segment_inbox::receive(int control) {
  std::array<std::uint64_t, 2> what{}; // id, bytes
  auto packet = packet_socket::receive(control, std::as_writable_bytes(std::span(what)),
                                       std::chrono::steady_clock::now());
  if (packet.error != 0 || packet.bytes != sizeof what || packet.fds.size() != 1)
    return;
  put(static_cast<std::uint32_t>(what[0]), std::move(packet.fds[0]),
      static_cast<std::size_t>(what[1]));
}

void segment_inbox::put(std::uint32_t id, unique_fd fd, std::size_t bytes) {
  std::lock_guard lock{mutex_};
  segments_.insert_or_assign(id, arrived{std::move(fd), bytes});
  changed_.notify_all();
}

segment segment_inbox::take(std::uint32_t id) {
  std::unique_lock lock{mutex_};
  changed_.wait(lock, [&] { return segments_.contains(id); });
  const auto& a = segments_.at(id);
  // It stays here until it is mapped: the host sends it only once and may use it again.
  unique_fd copy{::fcntl(a.fd.get(), F_DUPFD_CLOEXEC, 0)};
  if (!copy)
    throw std::system_error(errno, std::generic_category(), "fcntl(F_DUPFD_CLOEXEC)");
  auto mapped = segment::attach(std::move(copy), a.bytes, 0, segment::access::read_only);
  mapped.close_fd();
  segments_.erase(id);
  return mapped;
}

} // namespace bulkhead::runtime
