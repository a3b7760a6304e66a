#include "observe/attach/attach_socket.hpp"

#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstring>
#include <system_error>

// Both ends of the attach socket: lines with a deadline each, between processes of one user, whom
// the kernel names.
namespace bulkhead::observe::detail {

namespace {

constexpr std::size_t longest_request = 1024;

bool wait_for(int fd, short what, deadline_point deadline) noexcept {
  for (;;) {
    const auto left =
      std::chrono::ceil<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now());
    if (left.count() <= 0)
      return false;
    pollfd watched{fd, what, 0};
    const auto ready = ::poll(&watched, 1, static_cast<int>(left.count()));
    if (ready > 0)
      return true;
    if (ready == 0 || errno != EINTR)
      return false;
  }
}

} // namespace

std::string attach_name(pid_t pid) {
  return "bulkhead-" + std::to_string(::getuid()) + '-' + std::to_string(pid);
}

runtime::unique_fd listen_as(const std::string& name) {
  sockaddr_un at{};
  at.sun_family = AF_UNIX;
  std::copy(name.begin(), name.end(), at.sun_path + 1);
  const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1 + name.size());
  runtime::unique_fd fd{::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)};
  if (!fd || ::bind(fd.get(), reinterpret_cast<sockaddr*>(&at), size) != 0
      || ::listen(fd.get(), 8) != 0)
    throw std::system_error(errno, std::generic_category(), "the socket @" + name);
  return fd;
}

bool is_same_user(int fd) noexcept {
  ucred peer{};
  socklen_t size = sizeof peer;
  return ::getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0 && peer.uid == ::getuid();
}

std::optional<std::string> read_line(int fd, deadline_point deadline) {
  std::string line;
  while (line.size() < longest_request && wait_for(fd, POLLIN, deadline)) {
    char c = 0;
    const auto got = ::recv(fd, &c, 1, MSG_DONTWAIT);
    if (got < 0 && (errno == EAGAIN || errno == EINTR))
      continue;
    if (got <= 0)
      return std::nullopt;
    if (c == '\n')
      return line;
    line += c;
  }
  return std::nullopt;
}

bool write_line(int fd, const std::string& line, deadline_point deadline) {
  const auto text = line + '\n';
  std::size_t written = 0;
  while (written < text.size()) {
    const auto sent =
      ::send(fd, text.data() + written, text.size() - written, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent > 0)
      written += static_cast<std::size_t>(sent);
    else if ((errno != EAGAIN && errno != EINTR) || !wait_for(fd, POLLOUT, deadline))
      return false;
  }
  return true;
}

} // namespace bulkhead::observe::detail
