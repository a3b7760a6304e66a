#pragma once

#include "runtime/system/unique_fd.hpp"
#include "tools/text/document.hpp"

#include <cstdint>
#include <map>
#include <string>

namespace bulkhead::command {

/// Where the results of a job go: one JSON value a line, in the order of the inputs or as they
/// come. No call waits for a reader: what does not fit is kept, and the caller polls.
class result_file {
public:
  /// Where lines go: "" nowhere, "-" to `standard_output`, else to a file, behind what it has or
  /// in its place. Nothing is opened yet, so that old results live until the new job does.
  struct target {
    std::string path;
    bool append = false;
    bool ordered = true;
    int standard_output = -1;
  };
  explicit result_file(target to) : to_(std::move(to)) {}

  /// Opens the target, once. False where it is a FIFO that nobody reads yet: try again. Throws
  /// std::system_error where it cannot be opened, and config_error where another job writes it; its
  /// content is as it was then.
  bool open();

  bool wanted() const noexcept { return !to_.path.empty(); }

  /// What to poll while no error was met; -1 where there is nothing.
  int fd() const noexcept { return error_.empty() ? fd_ : -1; }

  /// The line of one input. Lines that have to wait for earlier ones are kept.
  void put(std::uint64_t index, const config::json& line);

  /// Lines that wait for earlier ones.
  std::size_t waiting() const noexcept { return early_.size(); }

  /// Bytes that wait for a reader.
  std::size_t pending() const noexcept { return buffer_.size(); }

  /// Writes what can be written now.
  void flush();

  /// After the last line. A file that has been removed meanwhile is an error: what was written to
  /// it nobody can read.
  void check();

  /// Lines that wait for earlier ones wait no longer: those will never come.
  void release();

  /// Why writing failed, empty where it did not. After that nothing more is written.
  const std::string& error() const noexcept { return error_; }
  void fail(const std::string& why);

private:
  void take_file();
  void append(const std::string& line);

  target to_;
  runtime::unique_fd file_;
  int fd_ = -1;
  std::uint64_t next_ = 0;
  std::map<std::uint64_t, std::string> early_;
  std::string buffer_;
  std::string error_;
};

} // namespace bulkhead::command
