#include <bulkhead/descriptor.hpp>
#include <bulkhead/error.hpp>

#include <fcntl.h>

#include <cerrno>
#include <memory>
#include <string>
#include <system_error>

namespace bulkhead {

namespace {

constexpr int first_free = 3; // a host that runs with closed standard descriptors keeps them so

void require_open(int fd) {
  if (::fcntl(fd, F_GETFD) < 0)
    throw config_error("descriptor: " + std::to_string(fd)
                       + " is not open; pass one that open(), socket() or the like returned");
}

} // namespace

descriptor::descriptor(int fd) {
  require_open(fd);
  held_ = std::make_shared<detail::open_descriptor>(fd);
}

descriptor descriptor::copy_of(int fd) {
  require_open(fd);
  const int copy = ::fcntl(fd, F_DUPFD_CLOEXEC, first_free);
  if (copy < 0)
    throw std::system_error(errno, std::generic_category(), "fcntl(F_DUPFD_CLOEXEC)");
  return descriptor{copy};
}

} // namespace bulkhead
