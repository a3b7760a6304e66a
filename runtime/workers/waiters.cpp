#include "runtime/workers/waiters.hpp"

#include "runtime/system/descriptors.hpp"

#include <sys/epoll.h>

#include <cerrno>
#include <system_error>

namespace bulkhead::runtime {

waiters::waiters()
  : events(above_stdio(unique_fd{::epoll_create1(EPOLL_CLOEXEC)})), bell(make_bell("eventfd")) {
  if (!events)
    throw std::system_error(errno, std::generic_category(), "epoll_create1");
  watch_bell(events.get(), bell.get());
}

} // namespace bulkhead::runtime
