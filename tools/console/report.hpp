#pragma once

#include "tools/console/worker_totals.hpp"
#include "tools/text/document.hpp"

#include <bulkhead/failure.hpp>
#include <bulkhead/pool_info.hpp>

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace bulkhead::command {

using config::json;

inline double seconds_of(std::chrono::nanoseconds time) {
  return std::chrono::duration<double>(time).count();
}

/// One failed task.
struct failed_task {
  std::uint64_t index = 0; ///< of its input
  std::string step;        ///< "map", "reduce"
  json input;
  failure what;
};

inline constexpr std::size_t listed_failures = 20;

/// All that a job has to tell when it is over.
struct report {
  std::string name;
  std::string task;
  std::uint64_t inputs = 0;
  std::uint64_t succeeded = 0;
  std::uint64_t failed = 0;
  std::uint64_t cancelled = 0;
  std::uint64_t kept = 0; ///< of the succeeded and failed ones: outcomes of earlier runs
  std::uint64_t merges = 0;
  std::chrono::nanoseconds elapsed{};
  std::vector<failed_task> failures;          ///< the first of them
  std::map<std::string, std::uint64_t> kinds; ///< failures by kind
  std::vector<worker_row> workers;
  pool_stats pool;
  json result; ///< of reduce; null where there is none
  bool reduce_failed = false;
  std::string output_error;   ///< why results could not be written
  std::string failed_file;    ///< where failed inputs are; empty: nowhere
  std::string failed_error;   ///< why they could not be written
  std::string journal_file;   ///< where outcomes are kept; empty: nowhere
  std::string journal_error;  ///< why they could not be kept
  int signal = 0;             ///< what interrupted the job; 0: nothing
  bool inputs_unread = false; ///< `inputs` is what was read: more may have come
  std::string input_error;    ///< why inputs could not be read to their end
  std::string sight;          ///< what --web, --trace or --report saw, as JSON; "": nothing
  std::string sight_error;    ///< what of them could not be written, a line each

  std::uint64_t not_started() const noexcept { return inputs - succeeded - failed - cancelled; }

  /// 0, 1, or 128 + signal.
  int exit_status() const noexcept;
};

/// What --quiet leaves of it: the result, and what could not be read or written.
std::string short_report_text(const report& r);

/// The report for people: result, failures, table of the workers, summary.
std::string report_text(const report& r);

/// The same for programs.
json report_json(const report& r);

/// "failure" in a line of results: all of it but the long texts, which the report has.
json outcome_json(std::uint64_t index, const failure& f);

/// The value that a reduction left: a text as it is, all else as JSON.
std::string result_text(const json& result);

} // namespace bulkhead::command
