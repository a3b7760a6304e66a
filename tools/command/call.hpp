#pragma once

#include "tools/config/load_job.hpp"

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace bulkhead::command {

inline constexpr int wrong_call = 2;

/// What the command line asks for.
struct call {
  enum class kind { run, validate, list, init };
  kind what = kind::run;
  config::request job;
  std::string folder; ///< of init
  bool json = false;
  bool progress = true;
};

/// Reads the command line. Where there is nothing to do any more (help, version, a mistake, all of
/// which it prints) the exit status comes back instead.
struct parsed_call {
  std::optional<call> wanted;
  int exit_status = 0;
};
parsed_call parse_call(int argc, char** argv);

} // namespace bulkhead::command
