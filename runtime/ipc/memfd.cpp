#include "runtime/ipc/memfd.hpp"

#include "runtime/system/descriptors.hpp"
#include "runtime/system/segment.hpp"

#include <bulkhead/error.hpp>

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <memory>
#include <string>
#include <system_error>

namespace bulkhead::runtime {

namespace {

[[noreturn]] void refuse(const char* call, std::size_t bytes, int error) {
  const auto what = std::string(call) + " for " + std::to_string(bytes) + " bytes of shared memory";
  if (error == ENOSPC || error == ENOMEM || error == EFBIG)
    throw too_large(what + ": " + std::generic_category().message(error)
                    + "; ask for less, or raise the limit (memory of the group, RLIMIT_FSIZE)");
  throw std::system_error(error, std::generic_category(), what);
}

} // namespace

void allocate(int fd, std::size_t from, std::size_t bytes) {
  if (!within_file_limit(from + bytes))
    refuse("RLIMIT_FSIZE: fallocate", bytes, EFBIG);
  if (const auto error = fill_memfd(fd, from, bytes); error != 0)
    refuse("posix_fallocate", bytes, error);
}

detail::shared_descriptor make_memfd(const char* name, std::size_t bytes, bool may_grow) {
  auto fd = open_memfd(name);
  if (!fd)
    refuse("memfd_create", bytes, errno);
  // All pages before anybody maps them: later, a machine without memory would answer a store with
  // SIGBUS.
  allocate(fd.get(), 0, bytes);
  if (::fcntl(fd.get(), F_ADD_SEALS, F_SEAL_SHRINK | (may_grow ? 0 : F_SEAL_GROW)) != 0)
    refuse("fcntl(F_ADD_SEALS)", bytes, errno);
  auto made = std::make_shared<detail::open_descriptor>(fd.get());
  static_cast<void>(fd.release());
  return made;
}

} // namespace bulkhead::runtime
