#pragma once

#include "tools/system/system_plan.hpp"

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

namespace bulkhead::systems {

/// One step that did not do what the file says.
struct failed_step {
  config::place where;
  std::string what;
};

inline constexpr std::size_t listed_failures = 20;

/// All that a system has to tell when it is over.
struct system_report {
  std::string name;
  std::size_t actors = 0;
  std::size_t supervisors = 0;
  std::uint64_t asked = 0;     ///< requests, without their further attempts
  std::uint64_t answered = 0;  ///< as the file says
  std::uint64_t retried = 0;   ///< further attempts
  std::uint64_t sent = 0;      ///< messages without an answer
  std::uint64_t published = 0; ///< messages to groups, each member counted
  std::uint64_t other = 0;     ///< steps of other kinds
  std::uint64_t failed = 0;    ///< requests and steps
  std::uint64_t kills = 0;     ///< workers, by steps and faults
  std::uint64_t hangs = 0;     ///< by faults
  std::uint64_t restarts = 0;
  std::vector<failed_step> failures; ///< the first of them
  bool gave_up = false;              ///< a supervisor that nobody supervises
  bool complete = false;             ///< the script came to its end
  int signal = 0;                    ///< what ended it; 0: nothing
  std::chrono::nanoseconds elapsed{};

  /// 0, 1, or 128 + signal where that came before the end of the script.
  int exit_status() const noexcept;
};

std::string report_text(const system_report& r);
json report_json(const system_report& r);

} // namespace bulkhead::systems
