#include "runtime/system/bell.hpp"

#include "runtime/system/descriptors.hpp"

#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/uio.h>

#include <cerrno>
#include <cstdint>
#include <system_error>

namespace bulkhead::runtime {

unique_fd make_bell(const char* what) {
  auto fd = above_stdio(unique_fd{::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)});
  if (!fd)
    throw std::system_error(errno, std::generic_category(), what);
  return fd;
}

void watch_bell(int epoll, int bell) {
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.fd = bell;
  if (::epoll_ctl(epoll, EPOLL_CTL_ADD, bell, &event) != 0)
    throw std::system_error(errno, std::generic_category(), "epoll_ctl");
}

void ring(int bell) noexcept {
  const std::uint64_t one = 1;
  // A counter that is full counts as rung: whoever sleeps on it is woken all the same.
  [[maybe_unused]] const auto full_is_fine = ::write(bell, &one, sizeof one);
}

void hush(int bell) noexcept {
  std::uint64_t rings = 0;
  const iovec into{&rings, sizeof rings};
  // Not read(): a worker shares the open file and may clear O_NONBLOCK of it, and read() would then
  // block this thread. RWF_NOWAIT (man 2 preadv2) never blocks.
  [[maybe_unused]] const auto none_is_fine = ::preadv2(bell, &into, 1, -1, RWF_NOWAIT);
}

} // namespace bulkhead::runtime
