#pragma once

#include "tools/config/job.hpp"
#include "tools/text/line_stream.hpp"

#include <cstdint>
#include <optional>
#include <string>

namespace bulkhead::command {

using config::json;

/// One input of a job.
struct input {
  json value;
  std::string wrong; ///< why the task cannot be called on it; empty: it can
};

/// The inputs of a job, one after the other. Lines are read as they are asked for, and may come
/// from a FIFO or a pipe whose writer has not ended: no call waits for it.
class inputs {
public:
  /// Counts the lines of a regular file, and opens what is none. `standard_input` is what "-"
  /// means. Throws std::system_error where a file cannot be read.
  inputs(const config::job& job, int standard_input);

  /// The next input; empty where there is none now: see ended(). A job without inputs has one:
  /// null.
  std::optional<input> next();

  /// No further input will come.
  bool ended() const noexcept { return ended_; }

  /// Whether their number is known before the last one has been read.
  bool counted() const noexcept { return total_.has_value(); }

  /// How many there are in all; where that is not known, how many next() gave.
  std::uint64_t total() const noexcept { return total_.value_or(taken_); }

  /// How many are left; 0 where that is not known.
  std::uint64_t left() const noexcept { return total_ ? *total_ - taken_ : 0; }

  /// What to poll where next() found none and ended() is false; -1 where there is nothing to poll.
  int fd() const noexcept { return lines_ ? lines_->fd() : -1; }

  /// "standard input, after line 3": what is read and how far, for people; empty: no lines are
  /// read.
  std::string place() const;

  /// Why reading failed; empty where it did not.
  std::string error() const;

private:
  std::optional<input> at(std::uint64_t index);
  std::optional<input> next_line(const config::line_input& from);
  input from_line(const config::line_input& from, config::line_stream::line line) const;

  const config::job_input& from_;
  std::size_t most_bytes_;
  bool spread_;
  std::optional<std::uint64_t> total_;
  std::uint64_t taken_ = 0;
  bool ended_ = false;
  std::optional<config::line_stream> lines_;
};

/// How many inputs a job has, without reading what cannot be read twice; empty: unknown.
std::optional<std::uint64_t> number_of_inputs(const config::job& job);

} // namespace bulkhead::command
