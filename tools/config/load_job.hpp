#pragma once

#include "tools/config/job.hpp"

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace bulkhead::config {

/// What the command line asks for.
struct request {
  std::filesystem::path file;
  std::vector<std::string> settings;       ///< "path=value", later ones win over earlier ones
  std::vector<std::filesystem::path> load; ///< task libraries besides those of the file
  std::filesystem::path retry = {};        ///< its failed inputs are the job's; empty: none
  std::filesystem::path failed = {};       ///< where inputs that fail go; empty: nowhere
  std::filesystem::path journal = {};      ///< where outcomes are kept; empty: nowhere
  bool resume_failed = false;              ///< failures in it do not count
};

/// Reads and checks a job: text, schema, contradictions, machine, files, tasks. Loads its task
/// libraries into this process and starts nothing. Empty where anything is wrong; `found` then
/// holds all of it.
std::optional<job> load_job(const request& wanted, problems& found);

/// The document alone: the file with the settings applied, and the inputs of `retry`. Not yet
/// checked.
std::optional<document> read_document(const request& wanted, problems& found);

} // namespace bulkhead::config
