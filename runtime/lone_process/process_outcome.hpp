#pragma once

#include "runtime/lone_process/process_page.hpp"
#include "runtime/process/child.hpp"

#include <bulkhead/failure.hpp>

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

namespace bulkhead::runtime {

/// How a bulkhead::process ended: a value's bytes, or a failure.
struct process_outcome {
  std::vector<std::byte> value;
  std::optional<failure> why;
};

/// What is known of a process that has ended, beside its page and file.
struct ended_process {
  std::string name;
  pid_t pid = 0;
  child_exit exit;
  std::string output; ///< last lines of it
  bool returns_nothing = false;
};

/// Trusts nothing in page and file. Takes milliseconds where a crash is read. Never throws but for
/// memory.
process_outcome outcome_of(const ended_process& ended, const process_page& page, int file);

} // namespace bulkhead::runtime
