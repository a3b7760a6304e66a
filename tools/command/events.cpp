#include "tools/command/commands.hpp"
#include "tools/console/write_out.hpp"
#include "tools/look/attached.hpp"
#include "tools/text/shown.hpp"

#include <algorithm>
#include <chrono>
#include <map>
#include <thread>

#include <fmt/format.h>

namespace bulkhead::command {

namespace {

constexpr std::chrono::milliseconds between_looks{250};

std::string line_of(const json& event, const std::string& pool, bool as_json) {
  if (as_json) {
    auto whole = event;
    whole["pool"] = pool;
    return whole.dump(-1, ' ', false, json::error_handler_t::replace) + '\n';
  }
  return fmt::format("{:<12} {}\n", event.value("kind", ""),
                     config::printable(event.value("text", "")));
}

} // namespace

// Until the program has ended, or nobody reads any more.
int show_events(const call& wanted) {
  std::map<std::uint64_t, std::uint64_t> told; // by pool
  for (bool first = true;; first = false) {
    const auto least =
      told.empty() ? 0
                   : std::min_element(told.begin(), told.end(), [](const auto& a, const auto& b) {
                       return a.second < b.second;
                     })->second;
    const auto now =
      ask_program(wanted.pid, fmt::format("snapshot {0} {0} {1}", UINT64_MAX, least));
    if (now.contains("error")) {
      if (!first)
        return 0;
      write_out(2, "bulkhead: " + now["error"].get<std::string>() + '\n');
      return 1;
    }
    for (const auto& pool : now["pools"]) {
      auto& last = told[pool["key"].get<std::uint64_t>()];
      for (const auto& event : pool["events"])
        if (event["number"].get<std::uint64_t>() > last) {
          last = event["number"].get<std::uint64_t>();
          if (!write_out(1, line_of(event, pool["pool"], wanted.json)))
            return 0;
        }
    }
    std::this_thread::sleep_for(between_looks);
  }
}

} // namespace bulkhead::command
