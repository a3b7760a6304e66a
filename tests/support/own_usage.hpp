#pragma once

#include <cstddef>
#include <cstdio>
#include <dirent.h>
#include <memory>
#include <string>
#include <unistd.h>

namespace bulkhead::tests {

/// Resident memory of this process; 0 under AddressSanitizer, which keeps freed memory for a while.
inline std::size_t own_rss_bytes() {
#if defined(__SANITIZE_ADDRESS__)
  return 0;
#endif
  std::size_t pages = 0;
  std::size_t resident = 0;
  if (auto* file = std::fopen("/proc/self/statm", "r"); file != nullptr) {
    if (std::fscanf(file, "%zu %zu", &pages, &resident) != 2)
      resident = 0;
    std::fclose(file);
  }
  return resident * static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
}

/// Open descriptors of this process.
inline std::size_t own_descriptors() {
  std::size_t count = 0;
  const std::unique_ptr<DIR, int (*)(DIR*)> all{::opendir("/proc/self/fd"), &::closedir};
  while (all && ::readdir(all.get()) != nullptr)
    ++count;
  return count - 3; // ".", ".." and the directory itself
}

} // namespace bulkhead::tests
