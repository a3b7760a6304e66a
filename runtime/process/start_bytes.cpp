#include "runtime/process/start_bytes.hpp"

#include "runtime/system/descriptors.hpp"
#include "runtime/system/launch_error.hpp"

#include <sys/mman.h>

#include <cerrno>

namespace bulkhead::runtime {

unique_fd start_file(std::span<const std::byte> bytes) {
  auto file = above_stdio(unique_fd{::memfd_create("bulkhead-start", MFD_CLOEXEC)});
  if (!file)
    throw launch_error{"memfd_create", errno};
  // Asked beforehand: a write beyond RLIMIT_FSIZE raises SIGXFSZ, which ends the host (man 2
  // setrlimit).
  if (!within_file_limit(bytes.size()))
    throw launch_error{"RLIMIT_FSIZE: write of start data", errno};
  for (std::size_t done = 0; done < bytes.size();) {
    const auto rest = bytes.subspan(done);
    const auto count = ::pwrite(file.get(), rest.data(), rest.size(), static_cast<off_t>(done));
    if (count < 0 && errno != EINTR)
      throw launch_error{"write of start data", errno};
    done += count > 0 ? static_cast<std::size_t>(count) : 0;
  }
  return file;
}

std::span<const std::byte> map_start_file(int file, std::size_t bytes) {
  const auto* at = ::mmap(nullptr, bytes, PROT_READ, MAP_PRIVATE, file, 0);
  if (at == MAP_FAILED)
    throw launch_error{"mmap of start data", errno};
  return {static_cast<const std::byte*>(at), bytes};
}

} // namespace bulkhead::runtime
