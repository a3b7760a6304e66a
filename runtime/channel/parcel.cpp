#include "runtime/channel/parcel.hpp"

#include "runtime/system/file_status.hpp"

#include <fcntl.h>
#include <sys/stat.h>

#include <cerrno>
#include <memory>
#include <new>
#include <span>
#include <utility>

namespace bulkhead::runtime {

int send_parcel(int control, std::uint32_t number, const detail::descriptor_list& list,
                std::chrono::steady_clock::time_point deadline) noexcept try {
  const packet_head head{number, packet_kind::parcel, list.size()};
  const auto keys = list.keys();
  return packet_socket::send(control, std::as_bytes(std::span{&head, 1}),
                             std::as_bytes(std::span{keys}), list.fds(), deadline);
} catch (const std::bad_alloc&) {
  return ENOMEM;
}

std::uint64_t memory_behind(const detail::descriptor_list& list) {
  std::uint64_t bytes = 0;
  for (const int fd : list.fds()) {
    struct stat facts {};
    // Only memory of its own kind has seals; a file has its bytes anyway.
    if (::fcntl(fd, F_GET_SEALS) >= 0 && file_status(fd, facts) == 0)
      bytes += static_cast<std::uint64_t>(facts.st_size);
  }
  return bytes;
}

arrived_parcel make_parcel(const parcel_packet& packet, packet_socket::received got) {
  arrived_parcel made{.error = got.error, .number = packet.head.number};
  const auto count = got.fds.size();
  if (made.error != 0)
    return made;
  // Kind, number of descriptors and length have to agree; the sender may be a worker that lies.
  if (packet.head.kind != packet_kind::parcel || packet.head.value != count
      || got.bytes != sizeof packet.head + count * sizeof packet.keys[0]) {
    made.error = EBADMSG;
    return made;
  }
  for (std::size_t i = 0; i < count; ++i) { // at most as many as keys: the length was compared
    auto held = std::make_shared<detail::open_descriptor>(got.fds[i].get());
    static_cast<void>(got.fds[i].release());
    made.list.add(packet.keys[i], std::move(held));
  }
  return made;
}

arrived_parcel receive_parcel(int control) noexcept try {
  parcel_packet packet;
  const auto receive = [&] {
    return packet_socket::receive(control, std::as_writable_bytes(std::span{&packet, 1}),
                                  std::chrono::steady_clock::now());
  };
  auto got = receive();
  if (got.error == ECONNRESET) // a dead worker left something unread: told before what it had sent
    got = receive();
  return make_parcel(packet, std::move(got));
} catch (const std::bad_alloc&) {
  return {.error = ENOMEM};
}

void parcel_box::put(arrived_parcel&& p) {
  const std::lock_guard lock{mutex_};
  parcels_.push_back(std::move(p));
}

arrived_parcel parcel_box::take() noexcept {
  const std::lock_guard lock{mutex_};
  arrived_parcel first{.error = ENOMSG};
  if (parcels_.empty())
    return first;
  first = std::move(parcels_.front());
  parcels_.pop_front();
  return first;
}

} // namespace bulkhead::runtime
