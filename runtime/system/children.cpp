#include "runtime/system/children.hpp"

#include "runtime/system/unique_fd.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/wait.h>

#include <array>
#include <charconv>
#include <csignal>
#include <cstdlib>
#include <cstring>

// Children of this process, from /proc. It is used in processes that end and beside threads of the
// user's, so the list itself is read without memory or locks.
namespace bulkhead::runtime {

namespace {

unique_fd open_list(pid_t thread) noexcept {
  std::array<char, 64> path{};
  auto* at = path.data();
  const auto append = [&](const char* text) { at = ::stpcpy(at, text); };
  append("/proc/self/task/");
  at = std::to_chars(at, path.data() + path.size(), thread).ptr;
  append("/children");
  return unique_fd{::open(path.data(), O_RDONLY | O_CLOEXEC)};
}

// Kills one list of living children; true if there were any.
bool kill_children_of(pid_t thread) noexcept {
  std::array<pid_t, 256> pids;
  bool any = false;
  for (std::size_t at = 0, count = list_children(thread, pids); at < count; ++at) {
    int status = 0;
    // Reaped first: as long as it is our unreaped child its number names no other process.
    if (::waitpid(pids[at], &status, WNOHANG | __WALL) != 0)
      continue; // ended
    ::kill(pids[at], SIGKILL);
    any = true;
  }
  return any;
}

} // namespace

// Numbers are separated by single blanks; one may be cut by the end of a read.
std::size_t list_children(pid_t thread, std::span<pid_t> into) noexcept {
  const auto file = open_list(thread);
  std::size_t count = 0;
  pid_t number = 0;
  std::array<char, 1024> text;
  for (;;) {
    const auto bytes = file ? ::read(file.get(), text.data(), text.size()) : 0;
    if (bytes <= 0)
      return count;
    for (const char letter : std::span{text.data(), static_cast<std::size_t>(bytes)}) {
      if (letter >= '0' && letter <= '9') {
        number = number * 10 + (letter - '0');
        continue;
      }
      if (number != 0 && count < into.size())
        into[count++] = number;
      number = 0;
    }
  }
}

void kill_all_children() noexcept {
  constexpr int turns = 200; // of a millisecond: orphans reach us as their parents die
  for (int turn = 0; turn < turns; ++turn) {
    bool any = false;
    auto* tasks = ::opendir("/proc/self/task");
    if (tasks == nullptr)
      return;
    while (const auto* entry = ::readdir(tasks)) {
      const auto thread = static_cast<pid_t>(std::strtol(entry->d_name, nullptr, 10));
      any = (thread > 0 && kill_children_of(thread)) || any;
    }
    ::closedir(tasks);
    if (!any)
      return;
    ::poll(nullptr, 0, 1);
  }
}

} // namespace bulkhead::runtime
