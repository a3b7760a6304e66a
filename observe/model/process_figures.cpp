#include "observe/model/process_figures.hpp"

#include "runtime/system/unique_fd.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <cstring>

namespace bulkhead::observe::detail {

namespace {

double cpu_seconds_of(pid_t pid) noexcept {
  std::array<char, 64> path{};
  std::snprintf(path.data(), path.size(), "/proc/%d/stat", pid);
  const runtime::unique_fd file{::open(path.data(), O_RDONLY | O_CLOEXEC)};
  std::array<char, 1024> text{};
  if (!file || ::read(file.get(), text.data(), text.size() - 1) <= 0)
    return 0;
  const char* behind_name = std::strrchr(text.data(), ')'); // the name may hold anything
  unsigned long long user = 0;
  unsigned long long system = 0;
  if (behind_name == nullptr
      || std::sscanf(behind_name, // NOLINT(cert-err34-c): the kernel's own digits
                     ") %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %llu %llu", &user, &system)
           != 2)
    return 0;
  static const auto ticks = static_cast<double>(::sysconf(_SC_CLK_TCK));
  return static_cast<double>(user + system) / ticks;
}

std::size_t descriptors_of(pid_t pid) noexcept {
  std::array<char, 64> path{};
  std::snprintf(path.data(), path.size(), "/proc/%d/fd", pid);
  auto* folder = ::opendir(path.data());
  if (folder == nullptr)
    return 0;
  std::size_t count = 0;
  while (const auto* entry = ::readdir(folder)) // NOLINT(concurrency-mt-unsafe): our own stream
    count += entry->d_name[0] != '.' ? 1 : 0;
  ::closedir(folder);
  return count;
}

} // namespace

process_figures figures_of(pid_t pid) noexcept {
  return {cpu_seconds_of(pid), descriptors_of(pid)};
}

} // namespace bulkhead::observe::detail
