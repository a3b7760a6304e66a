#include "runtime/segment_inbox.hpp"

#include "runtime/packet_socket.hpp"

#include <array>
#include <chrono>
#include <span>

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
  auto found = segments_.extract(id);
  lock.unlock();
  auto& a = found.mapped();
  auto mapped = segment::attach(std::move(a.fd), a.bytes, 0, segment::access::read_only);
  mapped.close_fd();
  return mapped;
}

} // namespace bulkhead::runtime
