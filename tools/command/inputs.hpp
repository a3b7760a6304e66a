#pragma once

#include "tools/config/job.hpp"

#include <cstdint>
#include <fstream>
#include <optional>

namespace bulkhead::command {

using config::json;

/// The inputs of a job, one after the other. Nothing but lines is read from disk here.
class inputs {
public:
  explicit inputs(const config::job& job);

  /// The next input; empty at the end. A job without inputs has one: null.
  std::optional<json> next();

  /// How many there are in all.
  std::uint64_t total() const noexcept { return total_; }

private:
  std::optional<json> at(std::uint64_t index);
  std::optional<json> next_line();

  const config::job_input& from_;
  std::uint64_t total_ = 0;
  std::uint64_t taken_ = 0;
  std::ifstream lines_;
};

} // namespace bulkhead::command
