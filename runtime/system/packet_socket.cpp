#include "runtime/system/packet_socket.hpp"

#include "runtime/system/deadline.hpp"
#include "runtime/system/descriptors.hpp"
#include "runtime/system/launch_error.hpp"

#include <poll.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <iterator>

// Packets with descriptors between processes of the library. SOCK_SEQPACKET keeps their borders: a
// packet comes whole or not at all, also when its sender dies. Nothing raises SIGPIPE, and every
// wait has a deadline.
namespace bulkhead::runtime::packet_socket {

namespace {

struct alignas(cmsghdr) control_space {
  std::array<char, CMSG_SPACE(max_fds * sizeof(int))> bytes;
};

void attach(msghdr& message, control_space& space, std::span<const int> fds) noexcept {
  if (fds.empty())
    return;
  message.msg_control = space.bytes.data();
  message.msg_controllen = CMSG_SPACE(fds.size_bytes());
  auto* head = CMSG_FIRSTHDR(&message);
  head->cmsg_level = SOL_SOCKET;
  head->cmsg_type = SCM_RIGHTS;
  head->cmsg_len = CMSG_LEN(fds.size_bytes());
  std::memcpy(CMSG_DATA(head), fds.data(), fds.size_bytes());
}

void collect(msghdr& message, std::vector<unique_fd>& into) {
  for (auto* head = CMSG_FIRSTHDR(&message); head != nullptr; head = CMSG_NXTHDR(&message, head)) {
    if (head->cmsg_level != SOL_SOCKET || head->cmsg_type != SCM_RIGHTS)
      continue;
    std::array<int, max_fds> numbers{};
    const auto bytes = std::min(head->cmsg_len - CMSG_LEN(0), sizeof numbers);
    std::memcpy(numbers.data(), CMSG_DATA(head), bytes);
    const std::size_t count = bytes / sizeof(int);
    std::array<unique_fd, max_fds> held; // nothing is lost where there is no memory for the vector
    for (std::size_t at = 0; at < count; ++at)
      held[at] = above_stdio(unique_fd{numbers[at]});
    into.insert(into.end(), std::make_move_iterator(held.begin()),
                std::make_move_iterator(held.begin() + static_cast<std::ptrdiff_t>(count)));
  }
}

int transmit(int socket, std::span<iovec> parts, std::span<const int> fds) noexcept {
  if (fds.size() > max_fds)
    return E2BIG;
  control_space space;
  msghdr message{};
  message.msg_iov = parts.data();
  message.msg_iovlen = parts.size();
  attach(message, space, fds);
  for (;;) {
    // The open file may be shared with a process that blocks on it, so waiting is chosen for each
    // call.
    if (::sendmsg(socket, &message, MSG_NOSIGNAL | MSG_DONTWAIT) >= 0)
      return 0;
    if (errno != EINTR)
      return errno;
  }
}

iovec part(std::span<const std::byte> bytes) noexcept {
  return {.iov_base = const_cast<std::byte*>(bytes.data()), .iov_len = bytes.size()};
}

} // namespace

pair make() {
  int fds[2];
  if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds) != 0)
    throw launch_error{"socketpair", errno};
  pair made;
  unique_fd first{fds[0]};
  unique_fd second{fds[1]};
  made.ours = above_stdio(std::move(first));
  made.theirs = above_stdio(std::move(second));
  if (!made.ours || !made.theirs)
    throw launch_error{"fcntl(F_DUPFD_CLOEXEC)", errno};
  return made;
}

int send(int socket, std::span<const std::byte> head, std::span<const std::byte> body,
         std::span<const int> fds, time_point deadline) noexcept {
  std::array<iovec, 2> parts{part(head), part(body)};
  for (;;) {
    const auto error = transmit(socket, parts, fds);
    if (error != EAGAIN)
      return error;
    if (const auto waited = wait_for(socket, POLLOUT, deadline); waited != 0)
      return waited;
  }
}

int send_now(int socket, std::span<const std::byte> packet, std::span<const int> fds) noexcept {
  std::array<iovec, 1> parts{part(packet)};
  return transmit(socket, parts, fds);
}

received receive(int socket, std::span<std::byte> into, time_point deadline) {
  received result;
  control_space space;
  for (;;) {
    auto target = part(into);
    msghdr message{};
    message.msg_iov = &target;
    message.msg_iovlen = 1;
    message.msg_control = space.bytes.data();
    message.msg_controllen = space.bytes.size();
    const auto count = ::recvmsg(socket, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    if (count >= 0) {
      result.bytes = static_cast<std::size_t>(count);
      collect(message, result.fds);
      // Nobody here sends an empty packet, so this is the end of the stream. MSG_CTRUNC: the kernel
      // drops descriptors for which this process has no number free (man 7 unix); those that came
      // are closed below.
      if (count == 0)
        result.error = ECONNRESET;
      else if ((message.msg_flags & MSG_CTRUNC) != 0)
        result.error = EMFILE;
      else if ((message.msg_flags & MSG_TRUNC) != 0)
        result.error = EMSGSIZE;
    } else if (errno == EINTR) {
      continue;
    } else if (errno != EAGAIN) {
      result.error = errno;
    } else {
      result.error = wait_for(socket, POLLIN, deadline);
      if (result.error == 0)
        continue;
    }
    if (result.error != 0)
      result.fds.clear();
    return result;
  }
}

} // namespace bulkhead::runtime::packet_socket
