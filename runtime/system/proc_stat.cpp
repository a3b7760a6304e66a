#include "runtime/system/proc_stat.hpp"

#include "runtime/system/unique_fd.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <cstdio>

namespace bulkhead::runtime {

std::size_t resident_bytes(pid_t pid) noexcept {
  std::array<char, 64> path{};
  std::snprintf(path.data(), path.size(), "/proc/%d/statm", static_cast<int>(pid));
  const unique_fd file{::open(path.data(), O_RDONLY | O_CLOEXEC)};
  std::array<char, 128> text{};
  if (!file || ::read(file.get(), text.data(), text.size() - 1) <= 0)
    return 0;
  unsigned long all = 0;
  unsigned long resident = 0;
  if (std::sscanf(text.data(), "%lu %lu", &all, &resident) != 2)
    return 0;
  return resident * static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
}

} // namespace bulkhead::runtime
