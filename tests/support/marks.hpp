#pragma once

#include <bulkhead/tasks.hpp>

#include <doctest/doctest.h>

#include <chrono>
#include <cstdlib>
#include <fstream>
#include <map>
#include <string>
#include <thread>
#include <vector>

#include <fcntl.h>
#include <unistd.h>

namespace bulkhead::tests {

/// Leaves a line in the file, whole or not at all: this task has begun.
inline void mark(const std::string& file, int task) {
  const auto line = std::to_string(task) + "\n";
  const int fd = ::open(file.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  if (fd < 0 || ::write(fd, line.data(), line.size()) != static_cast<ssize_t>(line.size()))
    std::abort();
  ::close(fd);
}

/// How often each task has begun.
inline std::map<int, int> marks_in(const std::string& file) {
  std::map<int, int> counts;
  std::ifstream in(file);
  for (int task = 0; in >> task;)
    ++counts[task];
  return counts;
}

inline int marked(std::string file, int task, std::chrono::milliseconds time) {
  mark(file, task);
  std::this_thread::sleep_for(time); // the task's work
  return task;
}

/// What became of tasks that are not idempotent, numbered from `first`, against what they have left
/// behind.
inline void check_once(std::vector<future<int>>& all, const std::string& file, bool may_be_lost,
                       int first = 0) {
  for (auto& each : all)
    each.wait();
  const auto seen = marks_in(file);
  for (auto& each : all) {
    const auto& outcome = each.outcome();
    const auto task = first++;
    const auto found = seen.find(task);
    const auto marks = found == seen.end() ? 0 : found->second;
    CHECK(marks <= 1);
    if (outcome) {
      CHECK(marks == 1);
      CHECK(outcome.value() == task);
      continue;
    }
    CHECK_MESSAGE(may_be_lost, to_string(outcome.failure()));
    CHECK(outcome.failure().kind == failure_kind::worker_died);
    CHECK(outcome.failure().exit.cause == exit_cause::node_lost);
    CHECK(outcome.failure().may_have_executed);
  }
}

inline std::vector<future<int>> submit_marked(pool& p, const std::string& file, int count,
                                              std::chrono::milliseconds time, int first = 0) {
  std::vector<future<int>> all;
  for (int i = first; i < first + count; ++i)
    all.push_back(p.submit(marked, file, i, time));
  return all;
}

} // namespace bulkhead::tests
