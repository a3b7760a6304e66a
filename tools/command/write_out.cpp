#include "tools/command/write_out.hpp"

#include <cerrno>

#include <poll.h>
#include <unistd.h>

namespace bulkhead::command {

bool write_out(int fd, std::string_view text) {
  while (!text.empty()) {
    const auto written = ::write(fd, text.data(), text.size());
    if (written < 0 && errno == EAGAIN) { // somebody made our output non-blocking
      pollfd room{fd, POLLOUT, 0};
      ::poll(&room, 1, -1);
    } else if (written < 0 && errno != EINTR)
      return false;
    else if (written > 0)
      text.remove_prefix(static_cast<std::size_t>(written));
  }
  return true;
}

} // namespace bulkhead::command
