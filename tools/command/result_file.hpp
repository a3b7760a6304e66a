#pragma once

#include "runtime/system/unique_fd.hpp"
#include "tools/config/document.hpp"

#include <cstdint>
#include <map>
#include <string>

namespace bulkhead::command {

/// Where the results of a job go: one JSON value a line, in the order of the inputs or as they
/// come. Collects before it writes.
class result_file {
public:
  /// "": nowhere; "-": standard output. Throws std::system_error where the file cannot be made.
  result_file(const std::string& path, bool ordered);

  bool wanted() const noexcept { return fd_ >= 0; }

  /// The line of one input. Lines that have to wait for earlier ones are kept.
  void put(std::uint64_t index, const config::json& line);

  /// Lines that wait for earlier ones.
  std::size_t waiting() const noexcept { return early_.size(); }

  /// Writes what is there, also what waits for lines that will never come.
  void finish();

  /// Why writing failed, empty where it did not. After that nothing more is written.
  const std::string& error() const noexcept { return error_; }

private:
  void append(const std::string& line);
  void flush();

  runtime::unique_fd file_;
  int fd_ = -1;
  bool ordered_;
  std::uint64_t next_ = 0;
  std::map<std::uint64_t, std::string> early_;
  std::string buffer_;
  std::string error_;
};

} // namespace bulkhead::command
