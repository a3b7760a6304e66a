#include "runtime/system/segment.hpp"

#include "runtime/system/descriptors.hpp"

#include <fcntl.h>
#include <sys/mman.h>

#include <algorithm>
#include <cerrno>
#include <string>
#include <system_error>

#ifndef MFD_NOEXEC_SEAL
#  define MFD_NOEXEC_SEAL 0x0008U // Linux 6.3; Debian 12's headers lack it
#endif

// Memory that two processes share. It is allocated and sealed against resizing before the other one
// gets it: a hole or a cut file would raise SIGBUS in whoever touches it.
namespace bulkhead::runtime {

unique_fd open_memfd(const char* name) noexcept {
  const auto flags = static_cast<unsigned>(MFD_CLOEXEC | MFD_ALLOW_SEALING);
  // Kernels before 6.3 do not know the flag and refuse the call.
  unique_fd fd{::memfd_create(name, flags | MFD_NOEXEC_SEAL)};
  if (!fd && errno == EINVAL)
    fd.reset(::memfd_create(name, flags));
  return above_stdio(std::move(fd));
}

// In steps: a call that a signal interrupts begins again, and a profiling timer would keep one call
// for all bytes from ever ending.
int fill_memfd(int fd, std::size_t from, std::size_t bytes) noexcept {
  constexpr std::size_t step = 16 * 1024 * 1024;
  for (std::size_t done = 0; done < bytes; done += step) {
    const auto part = static_cast<off_t>(std::min(step, bytes - done));
    int error = EINTR;
    while (error == EINTR)
      error = ::posix_fallocate(fd, static_cast<off_t>(from + done), part);
    if (error != 0)
      return error;
  }
  return 0;
}

namespace {

[[noreturn]] void fail(const char* call, std::size_t bytes) {
  throw std::system_error(errno, std::generic_category(),
                          std::string(call) + " for " + std::to_string(bytes)
                            + " bytes of memory shared with a worker");
}

unique_fd make_memfd(const char* name, std::size_t bytes) {
  auto fd = open_memfd(name);
  if (!fd)
    fail("memfd_create", bytes);
  if (!within_file_limit(bytes))
    fail("RLIMIT_FSIZE: ftruncate", bytes);
  if (::ftruncate(fd.get(), static_cast<off_t>(bytes)) != 0)
    fail("ftruncate", bytes);
  if (const auto error = fill_memfd(fd.get(), 0, bytes); error != 0) {
    errno = error;
    fail("posix_fallocate", bytes);
  }
  if (::fcntl(fd.get(), F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW) != 0)
    fail("fcntl(F_ADD_SEALS)", bytes);
  return fd;
}

} // namespace

segment::~segment() {
  if (base_ != nullptr)
    ::munmap(base_, head_bytes_ + 2 * ring_bytes_);
}

segment segment::make(const char* name, std::size_t head_bytes, std::size_t ring_bytes,
                      access own) {
  segment s;
  s.head_bytes_ = head_bytes;
  s.ring_bytes_ = ring_bytes;
  s.fd_ = make_memfd(name, head_bytes + ring_bytes);
  s.map(own);
  return s;
}

segment segment::attach(unique_fd fd, std::size_t head_bytes, std::size_t ring_bytes, access own) {
  segment s;
  s.head_bytes_ = head_bytes;
  s.ring_bytes_ = ring_bytes;
  s.fd_ = std::move(fd);
  s.map(own);
  return s;
}

void segment::seal_writes() {
  if (::fcntl(fd_.get(), F_ADD_SEALS, F_SEAL_FUTURE_WRITE | F_SEAL_SEAL) != 0)
    fail("fcntl(F_SEAL_FUTURE_WRITE)", head_bytes_ + ring_bytes_);
}

void segment::map(access own) {
  const auto all = head_bytes_ + 2 * ring_bytes_;
  const int protection = own == access::read_write ? PROT_READ | PROT_WRITE : PROT_READ;
  // Reserve the whole range first, so that both views of the ring are neighbours.
  void* at = ::mmap(nullptr, all, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (at == MAP_FAILED)
    fail("mmap", all);
  base_ = static_cast<std::byte*>(at);
  const auto place = [&](std::byte* where, std::size_t bytes, std::size_t offset) {
    if (bytes != 0
        && ::mmap(where, bytes, protection, MAP_SHARED | MAP_FIXED, fd_.get(),
                  static_cast<off_t>(offset))
             == MAP_FAILED)
      fail("mmap", bytes);
  };
  place(base_, head_bytes_ + ring_bytes_, 0);
  // The ring a second time behind itself: what wraps around is contiguous.
  place(base_ + head_bytes_ + ring_bytes_, ring_bytes_, head_bytes_);
  // A process that a task forks must not write into the channel of its parent.
  if (::madvise(base_, all, MADV_DONTFORK) != 0)
    fail("madvise(MADV_DONTFORK)", all);
}

} // namespace bulkhead::runtime
