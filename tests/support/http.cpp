#include "tests/support/http.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cstdint>

namespace bulkhead::testing {

namespace {

bool start(int fd, int port) {
  sockaddr_in at{};
  at.sin_family = AF_INET;
  at.sin_port = htons(static_cast<std::uint16_t>(port));
  at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return ::connect(fd, reinterpret_cast<sockaddr*>(&at), sizeof at) == 0;
}

/// All that its Content-Length says is there: some servers leave the connection open.
bool is_whole(const std::string& answer) {
  const auto empty = answer.find("\r\n\r\n");
  const auto length = answer.find("ontent-Length:");
  return empty != std::string::npos && length < empty
         && answer.size() - empty - 4 >= std::stoul(answer.substr(length + 14));
}

} // namespace

void begin_connecting(int fd, int port) { static_cast<void>(start(fd, port)); }

int connect_to(int port) {
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (start(fd, port))
    return fd;
  ::close(fd);
  return -1;
}

std::string answer_to(int port, const std::string& bytes) {
  const int fd = connect_to(port);
  if (fd < 0)
    return {};
  std::size_t sent = 0;
  while (sent < bytes.size()) {
    const auto more = ::send(fd, bytes.data() + sent, bytes.size() - sent, MSG_NOSIGNAL);
    if (more <= 0)
      break;
    sent += static_cast<std::size_t>(more);
  }
  std::string answer;
  std::array<char, 65536> piece{};
  for (pollfd watched{fd, POLLIN, 0}; ::poll(&watched, 1, 30'000) == 1;) {
    const auto got = ::recv(fd, piece.data(), piece.size(), 0);
    if (got <= 0)
      break;
    answer.append(piece.data(), static_cast<std::size_t>(got));
    if (is_whole(answer))
      break;
  }
  ::close(fd);
  return answer;
}

std::string get(int port, const std::string& path, const std::string& headers) {
  return answer_to(port, "GET " + path + " HTTP/1.1\r\nHost: 127.0.0.1:" + std::to_string(port)
                           + "\r\n" + headers + "\r\n");
}

int port_in(const std::string& url) {
  return std::stoi(url.substr(url.find(':', url.find("//") + 2) + 1));
}

std::string body_of(const std::string& answer) {
  const auto empty = answer.find("\r\n\r\n");
  return empty == std::string::npos ? std::string{} : answer.substr(empty + 4);
}

} // namespace bulkhead::testing
