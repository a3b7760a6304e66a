#include "runtime/system/proc_stat.hpp"

#include "runtime/system/descriptors.hpp"
#include "runtime/system/unique_fd.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdio>
#include <cstring>

namespace bulkhead::runtime {

bool traced(pid_t pid) noexcept {
  std::array<char, 64> path{};
  std::snprintf(path.data(), path.size(), "/proc/%d/status", static_cast<int>(pid));
  const unique_fd file{::open(path.data(), O_RDONLY | O_CLOEXEC)};
  std::array<char, 1024> text{}; // the line is among the first
  if (!file || ::read(file.get(), text.data(), text.size() - 1) <= 0)
    return false;
  const auto* line = std::strstr(text.data(), "\nTracerPid:");
  int tracer = 0;
  return line != nullptr && std::sscanf(line, "\nTracerPid: %d", &tracer) == 1 && tracer != 0;
}

namespace {

/// Of a process whose statm is open.
std::size_t resident_bytes_in(int file) noexcept {
  std::array<char, 128> text{};
  if (::pread(file, text.data(), text.size() - 1, 0) <= 0)
    return 0;
  unsigned long all = 0;
  unsigned long resident = 0;
  if (std::sscanf(text.data(), "%lu %lu", &all, &resident) != 2)
    return 0;
  return resident * static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
}

constinit int own_figures = -1; ///< set once, before a worker has threads

} // namespace

std::size_t resident_bytes(pid_t pid) noexcept {
  std::array<char, 64> path{};
  std::snprintf(path.data(), path.size(), "/proc/%d/statm", static_cast<int>(pid));
  const unique_fd file{::open(path.data(), O_RDONLY | O_CLOEXEC)};
  return file ? resident_bytes_in(file.get()) : 0;
}

void keep_own_figures() noexcept {
  own_figures = above_stdio(unique_fd{::open("/proc/self/statm", O_RDONLY | O_CLOEXEC)}).release();
}

std::size_t own_resident_bytes() noexcept {
  return own_figures >= 0 ? resident_bytes_in(own_figures) : resident_bytes(::getpid());
}

std::uint64_t oom_kills_in(std::string_view vmstat) noexcept {
  constexpr std::string_view name = "oom_kill ";
  while (!vmstat.empty()) {
    const auto line = vmstat.substr(0, vmstat.find('\n'));
    std::uint64_t number = 0;
    if (line.starts_with(name)) {
      std::from_chars(line.data() + name.size(), line.data() + line.size(), number);
      return number;
    }
    vmstat.remove_prefix(std::min(line.size() + 1, vmstat.size()));
  }
  return 0;
}

// The kernel makes the file anew for each read from its beginning, some 5 KB of it.
std::uint64_t oom_kills() noexcept {
  const unique_fd file{::open("/proc/vmstat", O_RDONLY | O_CLOEXEC)};
  std::array<char, 16'384> text{};
  std::size_t used = 0;
  while (file && used < text.size()) {
    const auto more = ::read(file.get(), text.data() + used, text.size() - used);
    if (more <= 0)
      break;
    used += static_cast<std::size_t>(more);
  }
  return oom_kills_in({text.data(), used});
}

} // namespace bulkhead::runtime
