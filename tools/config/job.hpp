#pragma once

#include "tools/text/document.hpp"

#include <bulkhead/options.hpp>
#include <bulkhead/rabbitmq.hpp>

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

namespace bulkhead::config {

/// The inputs of a job, one of the alternatives.
struct no_input {}; ///< one call, with the arguments alone
struct list_input {
  std::vector<json> items;
};
struct file_input { ///< from "glob": the files that matched, sorted
  std::vector<std::string> files;
};
struct line_input {
  std::filesystem::path file; ///< "-": standard input; may be a FIFO
  bool json = false;          ///< each line is a JSON value, else a text
};
struct range_input {
  std::int64_t from = 0;
  std::int64_t to = 0;
  std::int64_t step = 1;
};
using job_input = std::variant<no_input, list_input, file_input, line_input, range_input>;

/// How all results become one.
struct reduction {
  std::string task;
  std::size_t batch = 32;
  std::string finish; ///< empty: none
};

/// A job as the runner takes it: read, complete and checked.
struct job {
  std::string name;
  std::filesystem::path file;
  pool_options pool;
  std::optional<rabbitmq> engine; ///< empty: tasks run here
  std::vector<std::filesystem::path> load;
  std::string task;
  std::vector<json> args;
  job_input input;
  std::size_t chunk = 0;
  bool ordered = true;
  std::size_t buffersize = 0; ///< 0: the pool's default
  bool spread = false;
  bulkhead::task_options task_options;
  std::string output; ///< empty: none; "-": standard output; else a path
  std::optional<reduction> reduce;
  bool append = false;         ///< results go behind what the output has
  std::string failed;          ///< file for inputs that fail, of the command line; empty: none
  std::string journal;         ///< file of outcomes, of the command line; empty: none
  bool resume_failed = false;  ///< what failed before the journal went on runs again
  std::filesystem::path retry; ///< file whose failed inputs these are; empty: the job's own
};

/// The task_options::key with "{}" replaced by the input.
std::string key_for(const std::string& key, const json& input);

} // namespace bulkhead::config
