#include "observe/web/connection.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <system_error>

// A socket whose other end may be anybody: every wait for it is bounded, and a head that comes a
// byte at a time has the same seconds as one that comes at once.
namespace bulkhead::observe::detail {

namespace {

using clock = std::chrono::steady_clock;

constexpr std::size_t longest_head = 8192;
constexpr std::chrono::seconds patience{5};

bool wait_for(int fd, short what, clock::time_point deadline) noexcept {
  for (;;) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - clock::now());
    if (left.count() <= 0)
      return false;
    pollfd watched{fd, what, 0};
    const auto ready = ::poll(&watched, 1, static_cast<int>(left.count()));
    if (ready > 0)
      return (watched.revents & what) != 0;
    if (ready == 0 || errno != EINTR)
      return false;
  }
}

[[noreturn]] void throw_listen_error(const std::string& host, int port) {
  throw std::system_error(errno, std::generic_category(),
                          "the page cannot be served at " + host + " port " + std::to_string(port));
}

union address {
  sockaddr any;
  sockaddr_in four;
  sockaddr_in6 six;
};

} // namespace

std::string read_head(int fd) {
  const auto deadline = clock::now() + patience;
  std::string head;
  std::array<char, 2048> piece{};
  while (head.size() < longest_head && wait_for(fd, POLLIN, deadline)) {
    const auto got = ::recv(fd, piece.data(), piece.size(), MSG_DONTWAIT);
    if (got < 0 && (errno == EAGAIN || errno == EINTR))
      continue;
    if (got <= 0)
      return {};
    head.append(piece.data(), static_cast<std::size_t>(got));
    if (const auto end = head.find("\r\n\r\n"); end != std::string::npos)
      return head.substr(0, std::min(end + 4, longest_head));
  }
  return {};
}

bool connection::is_writable() const { return wait_for(fd_, POLLOUT, clock::now() + patience); }

ssize_t connection::read(char* to, std::size_t size) {
  const auto part = std::min(size, head_.size() - at_);
  std::memcpy(to, head_.data() + at_, part);
  at_ += part;
  return static_cast<ssize_t>(part);
}

ssize_t connection::write(const char* from, std::size_t size) {
  std::size_t written = 0;
  while (written < size) {
    const auto sent = ::send(fd_, from + written, size - written, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent > 0)
      written += static_cast<std::size_t>(sent);
    else if (errno != EAGAIN && errno != EINTR)
      return -1;
    else if (!wait_for(fd_, POLLOUT, clock::now() + patience))
      return -1;
  }
  return static_cast<ssize_t>(written);
}

void connection::get_remote_ip_and_port(std::string& ip, int& port) const {
  ip.clear(); // nobody here asks
  port = 0;
}

void connection::get_local_ip_and_port(std::string& ip, int& port) const {
  ip.clear();
  port = 0;
}

runtime::unique_fd listen_at(const std::string& host, int& port) {
  address at{};
  socklen_t size = sizeof at.four;
  if (::inet_pton(AF_INET, host.c_str(), &at.four.sin_addr) == 1) {
    at.four.sin_family = AF_INET;
    at.four.sin_port = htons(static_cast<std::uint16_t>(port));
  } else {
    ::inet_pton(AF_INET6, host.c_str(), &at.six.sin6_addr);
    at.six.sin6_family = AF_INET6;
    at.six.sin6_port = htons(static_cast<std::uint16_t>(port));
    size = sizeof at.six;
  }
  runtime::unique_fd fd{::socket(at.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)};
  const int yes = 1;
  if (!fd || ::setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes) != 0
      || ::bind(fd.get(), &at.any, size) != 0 || ::listen(fd.get(), 16) != 0
      || ::getsockname(fd.get(), &at.any, &size) != 0)
    throw_listen_error(host, port);
  port = ntohs(at.any.sa_family == AF_INET ? at.four.sin_port : at.six.sin6_port);
  return fd;
}

} // namespace bulkhead::observe::detail
