#include "runtime/this_process/own_threads.hpp"

#include "runtime/this_process/process_state.hpp"

#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <mutex>

namespace bulkhead::runtime {

namespace {

bool is_ours(pid_t tid) {
  auto& state = process_state::mine();
  const std::lock_guard lock{state.mutex};
  return std::ranges::find(state.own_threads, tid) != state.own_threads.end();
}

std::string thread_name(const std::filesystem::path& task) {
  std::ifstream in{task / "comm"};
  std::string name;
  std::getline(in, name);
  return name;
}

std::vector<std::string> look_once() {
  std::vector<std::string> found;
  std::error_code ignored;
  for (const auto& task : std::filesystem::directory_iterator{"/proc/self/task", ignored}) {
    const auto number = task.path().filename().string();
    const auto tid = static_cast<pid_t>(std::stol(number));
    if (tid != ::gettid() && !is_ours(tid))
      found.push_back(thread_name(task.path()) + " (" + number + ")");
  }
  return found;
}

} // namespace

own_thread::own_thread() : tid_(::gettid()) {
  auto& state = process_state::mine();
  const std::lock_guard lock{state.mutex};
  state.own_threads.push_back(tid_);
}

own_thread::~own_thread() {
  auto& state = process_state::mine();
  const std::lock_guard lock{state.mutex};
  std::erase(state.own_threads, tid_);
}

std::size_t thread_count() noexcept {
  struct stat status {};
  // The links of a folder of /proc are its entries: one call and no list.
  if (::stat("/proc/self/task", &status) != 0 || status.st_nlink < 3)
    return 0;
  return static_cast<std::size_t>(status.st_nlink) - 2;
}

// A joined thread stays in /proc for some microseconds, so one look may see ghosts.
std::vector<std::string> foreign_threads() {
  auto found = look_once();
  for (int turn = 0; turn < 20 && !found.empty(); ++turn) {
    ::poll(nullptr, 0, 1);
    found = look_once();
  }
  return found;
}

} // namespace bulkhead::runtime
