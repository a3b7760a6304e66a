#include "runtime/standing/confinement.hpp"

#include "runtime/system/unique_fd.hpp"

#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <string_view>

// What confines a process and cannot be given away again: namespaces, cgroup, label, filters. A
// forkserver compares its own with the host's; where the host has changed one, it makes no more
// workers, which would have escaped it.
namespace bulkhead::runtime {

namespace {

struct kind {
  const char* path;
  const char* words;
};

// Not those for future children: a process of the library is where the host itself is.
constexpr std::array<kind, confinement::kinds> kinds_of_namespaces{{
  {"/proc/thread-self/ns/cgroup", "its cgroup namespace"},
  {"/proc/thread-self/ns/ipc", "its IPC namespace"},
  {"/proc/thread-self/ns/mnt", "its mount namespace"},
  {"/proc/thread-self/ns/net", "its network namespace"},
  {"/proc/thread-self/ns/pid", "its pid namespace"},
  {"/proc/thread-self/ns/time", "its time namespace"},
  {"/proc/thread-self/ns/user", "its user namespace"},
  {"/proc/thread-self/ns/uts", "its UTS namespace"},
}};

confinement::place place_of(const char* path) noexcept {
  struct stat there {};
  if (::stat(path, &there) != 0)
    return {};
  return {there.st_dev, there.st_ino};
}

using status_text = std::array<char, 4096>;

std::string_view read_text(const char* path, status_text& into) noexcept {
  const unique_fd file{::open(path, O_RDONLY | O_CLOEXEC)};
  const auto count = file ? ::read(file.get(), into.data(), into.size() - 1) : -1;
  return {into.data(), static_cast<std::size_t>(std::max<ssize_t>(count, 0))};
}

// FNV-1a; only told apart from another, never reversed.
std::uint64_t hash_of(std::string_view bytes) noexcept {
  std::uint64_t hash = 0xcbf29ce484222325;
  for (const char byte : bytes)
    hash = (hash ^ static_cast<unsigned char>(byte)) * 0x100000001b3;
  // Zero says that nothing is known, which never differs.
  return hash | 1;
}

std::uint64_t filters_in(const char* path) noexcept {
  status_text buffer{};
  const auto status = read_text(path, buffer);
  constexpr std::string_view word = "\nSeccomp_filters:";
  const auto at = status.find(word);
  unsigned long count = 0;
  if (at == std::string_view::npos
      || std::sscanf(status.data() + at + word.size(), "%lu", &count) != 1)
    return 0;
  return count;
}

// Kernels before 5.9 and processes without /proc only tell whether there is one.
std::uint64_t filters_now() noexcept {
  const auto count =
    std::max(filters_in("/proc/thread-self/status"), filters_in("/proc/self/status"));
  return count != 0 ? count : static_cast<std::uint64_t>(std::max(::prctl(PR_GET_SECCOMP), 0) / 2);
}

} // namespace

confinement confinement::now() noexcept {
  confinement made;
  for (std::size_t at = 0; at < kinds; ++at)
    made.namespaces[at] = place_of(kinds_of_namespaces[at].path);
  status_text buffer{};
  if (const auto groups = read_text("/proc/self/cgroup", buffer); !groups.empty())
    made.cgroup = hash_of(groups);
  if (const auto label = read_text("/proc/thread-self/attr/current", buffer); !label.empty())
    made.label = hash_of(label);
  made.seccomp_filters = filters_now();
  return made;
}

const char* confinement::differs_from(const confinement& host) const noexcept {
  for (std::size_t at = 0; at < kinds; ++at) {
    const auto& here = namespaces[at];
    const auto& there = host.namespaces[at];
    if (here.inode != 0 && there.inode != 0 && here != there)
      return kinds_of_namespaces[at].words;
  }
  if (cgroup != 0 && host.cgroup != 0 && cgroup != host.cgroup)
    return "its cgroup";
  if (label != 0 && host.label != 0 && label != host.label)
    return "its security label";
  return host.seccomp_filters > seccomp_filters ? "its seccomp filters" : nullptr;
}

} // namespace bulkhead::runtime
