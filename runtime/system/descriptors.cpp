#include "runtime/system/descriptors.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstdlib>

namespace bulkhead::runtime {

unique_fd above_stdio(unique_fd fd) noexcept {
  if (!fd || fd.get() > 2)
    return fd;
  // In a host that runs with closed standard descriptors a socket of ours could get number 1, and
  // whatever the program prints would go to a worker.
  return unique_fd{::fcntl(fd.get(), F_DUPFD_CLOEXEC, 3)};
}

void close_all_but(std::span<int> keep) noexcept {
  std::ranges::sort(keep);
  auto next = 3U;
  for (const int fd : keep) {
    if (fd < 3)
      continue;
    const auto number = static_cast<unsigned>(fd);
    // One call for each gap, however many numbers it has (man 2 close_range).
    if (number > next)
      ::syscall(SYS_close_range, next, number - 1, 0);
    next = number + 1;
  }
  ::syscall(SYS_close_range, next, UINT_MAX, 0);
}

namespace {

// Numbers that a parent had open are kept busy with /dev/null: a copied object which still closes
// its number must not hit a descriptor that the library has there by now.
constexpr std::size_t most_covered = 256;

} // namespace

std::vector<int> descriptors_above_stdio() {
  std::vector<int> found;
  auto* folder = ::opendir("/proc/self/fd");
  if (folder == nullptr)
    return found;
  while (const auto* entry = ::readdir(folder)) {
    const auto fd = std::atoi(entry->d_name);
    if (fd > 2 && fd != ::dirfd(folder))
      found.push_back(fd);
  }
  ::closedir(folder);
  std::ranges::sort(found);
  return found;
}

std::vector<int> cover_all_but(std::span<int> keep) {
  std::ranges::sort(keep);
  const auto is_kept = [&](int fd) { return std::ranges::binary_search(keep, fd); };
  auto covered = descriptors_above_stdio();
  std::erase_if(covered, is_kept);
  covered.resize(std::min(covered.size(), most_covered));
  if (!cover(covered))
    covered.clear();
  std::vector<int> all{keep.begin(), keep.end()};
  all.insert(all.end(), covered.begin(), covered.end());
  close_all_but(all);
  return covered;
}

bool cover(std::span<const int> numbers) noexcept {
  const auto null = above_stdio(unique_fd{::open("/dev/null", O_RDWR | O_CLOEXEC)});
  if (!null)
    return false;
  for (const int fd : numbers)
    ::dup3(null.get(), fd, O_CLOEXEC);
  return true;
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
  // The limit is asked beforehand since the kernel raises SIGXFSZ for what is beyond it (man 2
  // setrlimit).
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
