#pragma once

#include "tests/field/program.hpp"
#include "tests/support/eventually.hpp"
#include "tests/support/own_usage.hpp"
#include "tests/support/temporary_folder.hpp"

#include <bulkhead/tasks.hpp>

#include <chrono>
#include <csignal>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <numeric>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <unistd.h>

namespace bulkhead::field {

using namespace std::chrono_literals;
using bulkhead::testing::temporary_folder;
using bulkhead::tests::eventually;
using bulkhead::tests::own_descriptors;
using bulkhead::tests::own_rss_bytes;

/// Holds tasks back until the host says so.
class gate {
public:
  const std::string& path() const noexcept { return path_; }
  void open() const { std::ofstream{path_}; }

private:
  temporary_folder folder_;
  std::string path_ = (folder_.path() / "open").string();
};

/// A task that waits for a gate.
inline int pass(const std::string& gate) {
  while (::access(gate.c_str(), F_OK) != 0)
    ::usleep(500);
  return 1;
}

inline int plus_one(int x) { return x + 1; }
inline int own_pid() { return static_cast<int>(::getpid()); }

inline std::vector<int> numbers(int count) {
  std::vector<int> all(static_cast<std::size_t>(count));
  std::iota(all.begin(), all.end(), 0);
  return all;
}

/// "3 apples"
template <class Number>
std::string counted(Number n, const char* what) {
  return std::to_string(n) + " " + what;
}

/// How a task ended, in one word: its value, or the kind of its failure.
template <class T>
std::string word(const outcome<T>& o) {
  if (!o.has_value())
    return std::string(to_string(o.failure().kind));
  if constexpr (std::is_void_v<T>)
    return "done";
  else
    return std::to_string(o.value());
}

/// The state letter of a process, as ps shows it; 0 where there is none.
inline char state_of(pid_t pid) {
  std::ifstream file("/proc/" + std::to_string(pid) + "/stat");
  const std::string text{std::istreambuf_iterator<char>(file), {}};
  const auto end = text.rfind(')');
  return end == std::string::npos ? '\0' : text[end + 2];
}

/// Children of this process, by state letter; threads' children included.
inline std::vector<pid_t> children() {
  std::vector<pid_t> all;
  for (const auto& thread : std::filesystem::directory_iterator("/proc/self/task")) {
    std::ifstream file(thread.path() / "children");
    for (pid_t pid = 0; file >> pid;)
      all.push_back(pid);
  }
  return all;
}

/// Zombies among the children of this process.
inline int zombies() {
  int count = 0;
  for (const auto pid : children())
    count += state_of(pid) == 'Z';
  return count;
}

/// The forkserver of this process; 0 where there is none.
inline pid_t forkserver() {
  for (const auto pid : children()) {
    std::ifstream file("/proc/" + std::to_string(pid) + "/comm");
    std::string name;
    std::getline(file, name);
    if (name == "bulkhead-fs")
      return pid;
  }
  return 0;
}

/// "flat", or how many MiB more than `most` a process has grown since `before`.
inline std::string growth(std::size_t before, std::size_t most) {
  const auto now = own_rss_bytes();
  return now <= before + most ? "flat" : counted((now - before) >> 20, "MiB more");
}

} // namespace bulkhead::field
