#include "tools/system/worker_faults.hpp"

#include "tools/system/asker.hpp"

#include <chrono>
#include <csignal>
#include <fstream>
#include <string>
#include <thread>

namespace bulkhead::systems {

using namespace std::chrono_literals;

namespace {

constexpr int most_looks = 1000;

/// Its letter in /proc/PID/stat, behind the name in brackets.
bool stands_still(pid_t pid) {
  std::string line;
  std::getline(std::ifstream{"/proc/" + std::to_string(pid) + "/stat"}, line);
  const auto bracket = line.rfind(')');
  if (bracket == std::string::npos || bracket + 2 >= line.size())
    return true; // it is gone
  return line[bracket + 2] == 'T' || line[bracket + 2] == 'Z';
}

} // namespace

bool kill_worker_of(const caf::actor& whom) { return signal_worker_of(whom, SIGKILL) != 0; }

// The signal is on its way when the call returns; what runs meanwhile could still answer.
void stop_worker_of(const caf::actor& whom) {
  const auto pid = signal_worker_of(whom, SIGSTOP);
  for (int i = 0; pid != 0 && i < most_looks && !stands_still(pid); ++i)
    std::this_thread::sleep_for(1ms);
}

void let_go_on(const caf::actor& whom) { signal_worker_of(whom, SIGCONT); }

} // namespace bulkhead::systems
