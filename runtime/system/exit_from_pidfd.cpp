#include "runtime/system/exit_from_pidfd.hpp"

#include <sys/ioctl.h>
#include <sys/wait.h>

#include <csignal>
#include <cstdint>

namespace bulkhead::runtime {

namespace {

// From Linux 6.13's pidfd.h; the headers of Debian 12 lack it.
struct pidfd_info {
  std::uint64_t mask;
  std::uint64_t cgroup;
  std::uint32_t ids[11];
  std::int32_t exit_code;
};
static_assert(sizeof(pidfd_info) == 64);
constexpr std::uint64_t wants_exit = 1U << 3;
constexpr auto get_info = _IOWR(0xFF, 11, pidfd_info);

int wait_status(const siginfo_t& ended) noexcept {
  if (ended.si_code == CLD_EXITED)
    return ended.si_status << 8;
  return ended.si_status | (ended.si_code == CLD_DUMPED ? 0x80 : 0);
}

} // namespace

std::optional<int> exit_from_pidfd(int pidfd) noexcept {
  siginfo_t ended{};
  const auto id = static_cast<id_t>(pidfd);
  // Works for a child of ours. Others have been reaped by their parent; since Linux 6.15 a pidfd
  // keeps their status, and whether it does is seen in the mask that comes back.
  if (::waitid(P_PIDFD, id, &ended, WEXITED | WNOHANG | __WALL) == 0 && ended.si_pid != 0)
    return wait_status(ended);
  pidfd_info info{};
  info.mask = wants_exit;
  if (::ioctl(pidfd, get_info, &info) == 0 && (info.mask & wants_exit) != 0)
    return info.exit_code;
  return {};
}

} // namespace bulkhead::runtime
