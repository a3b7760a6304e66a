#include "tools/command/commands.hpp"
#include "tools/console/write_out.hpp"
#include "tools/look/attached.hpp"
#include "tools/look/live_stack.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <exception>
#include <vector>

namespace bulkhead::command {

namespace {

/// The workers of a program that may be looked at; else the process alone.
std::vector<std::pair<pid_t, std::string>> processes_of(pid_t pid) {
  const auto programs = attachable_programs();
  std::vector<std::pair<pid_t, std::string>> all;
  if (std::find(programs.begin(), programs.end(), pid) != programs.end())
    for (const auto& pool :
         ask_program(pid, fmt::format("snapshot {0} {0} {0}", UINT64_MAX)).value("pools", json{}))
      for (const auto& w : pool["workers"])
        if (w["pid"] != 0 && w["state"] != "dead")
          all.emplace_back(w["pid"].get<pid_t>(),
                           fmt::format("worker {} of pool '{}' (pid {}), {} {}", w["id"].get<int>(),
                                       pool["pool"].get<std::string>(), w["pid"].get<int>(),
                                       w["state"].get<std::string>(),
                                       w["running"].get<std::string>()));
  if (all.empty())
    all.emplace_back(pid, fmt::format("process {} ({})", pid, name_of_process(pid)));
  return all;
}

} // namespace

int show_stack(const call& wanted) {
  int status = 0;
  for (const auto& [pid, title] : processes_of(wanted.pid)) {
    try {
      const auto text = live_stack(pid);
      if (!print(fmt::format("{}\n{}", title, text)))
        return 1;
    } catch (const std::exception& e) {
      write_out(2, fmt::format("bulkhead: {}\n", e.what()));
      status = 1;
    }
  }
  return status;
}

} // namespace bulkhead::command
