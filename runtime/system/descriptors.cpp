#include "runtime/system/descriptors.hpp"

#include <fcntl.h>
#include <linux/close_range.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#include <algorithm>
#include <cerrno>
#include <climits>

namespace bulkhead::runtime {

unique_fd above_stdio(unique_fd fd) noexcept {
  if (!fd || fd.get() > 2)
    return fd;
  return unique_fd{::fcntl(fd.get(), F_DUPFD_CLOEXEC, 3)};
}

void close_all_but(std::span<int> keep) noexcept {
  std::ranges::sort(keep);
  auto next = 3U;
  for (const int fd : keep) {
    if (fd < 3)
      continue;
    const auto number = static_cast<unsigned>(fd);
    if (number > next)
      ::syscall(SYS_close_range, next, number - 1, 0);
    next = number + 1;
  }
  ::syscall(SYS_close_range, next, UINT_MAX, 0);
}

unique_fd open_pidfd(pid_t pid) noexcept {
  return above_stdio(unique_fd{static_cast<int>(::syscall(SYS_pidfd_open, pid, 0))});
}

bool send_signal(int pidfd, int signal) noexcept {
  return ::syscall(SYS_pidfd_send_signal, pidfd, signal, nullptr, 0) == 0;
}

bool has_ended(int pidfd) noexcept {
  pollfd look{.fd = pidfd, .events = POLLIN, .revents = 0};
  return ::poll(&look, 1, 0) == 1;
}

bool within_file_limit(std::size_t bytes) noexcept {
  rlimit limit{};
  if (::getrlimit(RLIMIT_FSIZE, &limit) != 0 || bytes <= limit.rlim_cur)
    return true;
  errno = EFBIG;
  return false;
}

void point_at_null(int fd, int open_flags) noexcept {
  unique_fd null{::open("/dev/null", open_flags | O_CLOEXEC)};
  if (null.get() != fd && null)
    ::dup2(null.get(), fd);
  else if (null) // the number was free: keep it, also across exec
    ::fcntl(null.release(), F_SETFD, 0);
}

} // namespace bulkhead::runtime
