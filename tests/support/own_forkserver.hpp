#pragma once

#include "runtime/forkserver/forkserver.hpp"

#include <chrono>
#include <csignal>
#include <cstdio>
#include <string>
#include <unistd.h>

namespace bulkhead::tests {

/// The parent of a process; 0 where there is no such process.
inline pid_t parent_of(pid_t pid) {
  pid_t parent = 0;
  if (auto* file = std::fopen(("/proc/" + std::to_string(pid) + "/stat").c_str(), "r");
      file != nullptr) {
    if (std::fscanf(file, "%*d (%*[^)]) %*c %d", &parent) != 1)
      parent = 0;
    std::fclose(file);
  }
  return parent;
}

/// Sends a signal to this process's forkserver, and to nobody else. False: there is none now.
inline bool signal_forkserver(int signal) {
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds{30};
  const auto pid = runtime::forkserver::common(deadline)->pid();
  return pid > 1 && parent_of(pid) == ::getpid() && ::kill(pid, signal) == 0;
}

} // namespace bulkhead::tests
