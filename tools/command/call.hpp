#pragma once

#include "tools/command/job_log.hpp"
#include "tools/config/load_job.hpp"

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include <sys/types.h>

namespace bulkhead::command {

inline constexpr int wrong_call = 2;

/// How a job is shown from outside; "" each: not at all.
struct sight_request {
  std::string web;    ///< address and port of the page
  std::string trace;  ///< file
  std::string report; ///< file
};

/// What the command line asks for.
struct call {
  enum class kind { run, validate, list, init, top, stack, events };
  kind what = kind::run;
  config::request job;
  std::string folder; ///< of init
  sight_request sight;
  pid_t pid = 0; ///< of top, stack and events; 0: none was named
  bool json = false;
  bool progress = true;
  bool dry_run = false;
  bool quiet = false;
  log_options log;
};

/// Reads the command line. Where there is nothing to do any more (help, version, a mistake, all of
/// which it prints) the exit status comes back instead.
struct parsed_call {
  std::optional<call> wanted;
  int exit_status = 0;
};
parsed_call parse_call(int argc, char** argv);

} // namespace bulkhead::command
