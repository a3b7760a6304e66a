#pragma once

#include "tools/text/document.hpp"

#include <cstdint>
#include <string>

namespace bulkhead::command {

using config::json;

/// How much is told on standard error while a job runs, and in which form.
struct log_options {
  enum class level : std::uint8_t { debug, info, warning, error };
  level least = level::info;
  bool as_json = false; ///< an object a line, else texts for people
};

/// What is told of a job on standard error. A reader that does not read stops nothing: what finds
/// no room is left out.
class job_log {
public:
  using level = log_options::level;

  /// One for the process: takes over spdlog's default logger.
  job_log(log_options how, std::string job);

  bool is_json() const noexcept { return how_.as_json; }
  bool tells(level what) const noexcept { return what >= how_.least; }

  /// `more`: members besides "time", "level", "job" and "message"; only of the JSON.
  void tell(level what, const std::string& text, json more = json::object()) const;

private:
  log_options how_;
  std::string job_;
};

} // namespace bulkhead::command
