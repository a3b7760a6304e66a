#include "tools/console/write_out.hpp"

#include <cerrno>
#include <climits>
#include <string>
#include <system_error>

#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

namespace bulkhead::command {

bool has_room(int fd) noexcept {
  pollfd room{fd, POLLOUT, 0};
  return ::poll(&room, 1, 0) > 0;
}

ssize_t write_some(int fd, std::string_view text) noexcept {
  if (!has_room(fd))
    return 0;
  // O_NONBLOCK would be seen by all who share the terminal or the pipe. A pipe with room takes
  // PIPE_BUF bytes at once; files never wait for a reader; sockets have a flag for one call.
  auto written = ::send(fd, text.data(), text.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
  if (written < 0 && errno == ENOTSOCK) {
    struct stat s {};
    const bool file = ::fstat(fd, &s) == 0 && S_ISREG(s.st_mode);
    written = ::write(fd, text.data(), file ? text.size() : text.substr(0, PIPE_BUF).size());
  }
  return written < 0 && (errno == EAGAIN || errno == EINTR) ? 0 : written;
}

bool write_out(int fd, std::string_view text, int stop) {
  while (!text.empty()) {
    const auto written = write_some(fd, text);
    if (written < 0)
      return false;
    text.remove_prefix(static_cast<std::size_t>(written));
    if (written > 0)
      continue;
    pollfd watched[] = {{fd, POLLOUT, 0}, {stop, POLLIN, 0}};
    ::poll(watched, 2, -1);
    if (watched[1].revents != 0) {
      errno = ECANCELED;
      return false;
    }
  }
  return true;
}

bool print(std::string_view text) {
  if (write_out(STDOUT_FILENO, text) || errno == EPIPE)
    return true;
  const auto why = std::system_category().message(errno);
  write_out(STDERR_FILENO, "bulkhead: standard output cannot be written: " + why + "\n");
  return false;
}

} // namespace bulkhead::command
