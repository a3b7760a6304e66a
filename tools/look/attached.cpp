#include "tools/look/attached.hpp"

#include "observe/attach/attach_socket.hpp"

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstddef>
#include <fstream>
#include <system_error>

#include <poll.h>

#include <fmt/format.h>

namespace bulkhead::command {

namespace {

using namespace std::chrono_literals;
using observe::detail::attach_name;

constexpr auto patience = 5s;

json unreachable(pid_t program) {
  return {{"gone", true},
          {"error", fmt::format("process {} cannot be looked at: it has ended, is another user's, "
                                "or has no pool; start it with BULKHEAD_OBSERVE=1",
                                program)}};
}

runtime::unique_fd connect_to(pid_t program) {
  const auto name = attach_name(program);
  sockaddr_un at{};
  at.sun_family = AF_UNIX;
  std::copy(name.begin(), name.end(), at.sun_path + 1);
  const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1 + name.size());
  runtime::unique_fd fd{::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)};
  if (!fd || ::connect(fd.get(), reinterpret_cast<sockaddr*>(&at), size) != 0
      || !observe::detail::is_same_user(fd.get())) // who took the name is to learn nothing
    return {};
  return fd;
}

/// All until the other end closes, within `patience`.
std::string read_all(int fd) {
  const auto deadline = std::chrono::steady_clock::now() + patience;
  std::string text;
  std::array<char, 65536> piece{};
  for (;;) {
    const auto left =
      std::chrono::ceil<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now());
    pollfd watched{fd, POLLIN, 0};
    if (left.count() <= 0 || ::poll(&watched, 1, static_cast<int>(left.count())) == 0)
      return {};
    const auto got = ::recv(fd, piece.data(), piece.size(), MSG_DONTWAIT);
    if (got == 0)
      return text;
    if (got > 0)
      text.append(piece.data(), static_cast<std::size_t>(got));
    else if (errno != EAGAIN && errno != EINTR)
      return {};
  }
}

} // namespace

std::vector<pid_t> attachable_programs() {
  const auto prefix = '@' + attach_name(0);
  const auto mark = prefix.substr(0, prefix.size() - 1); // without the pid
  std::vector<pid_t> all;
  std::ifstream sockets("/proc/net/unix");
  for (std::string line; std::getline(sockets, line);) {
    const auto at = line.find(mark);
    if (at == std::string::npos)
      continue;
    pid_t pid = 0;
    const auto* digits = line.data() + at + mark.size();
    const auto [end, error] = std::from_chars(digits, line.data() + line.size(), pid);
    if (error == std::errc{} && end == line.data() + line.size())
      all.push_back(pid);
  }
  std::sort(all.begin(), all.end());
  all.erase(std::unique(all.begin(), all.end()), all.end());
  return all;
}

json ask_program(pid_t program, const std::string& request) {
  const auto fd = connect_to(program);
  if (!fd
      || !observe::detail::write_line(fd.get(), request,
                                      std::chrono::steady_clock::now() + patience))
    return unreachable(program);
  auto answer = json::parse(read_all(fd.get()), nullptr, false);
  return answer.is_object() ? answer : unreachable(program);
}

std::string name_of_process(pid_t pid) {
  std::ifstream in("/proc/" + std::to_string(pid) + "/comm");
  std::string name;
  std::getline(in, name);
  return name;
}

} // namespace bulkhead::command
