#pragma once

#include "runtime/system/unique_fd.hpp"

#include <cstdint>
#include <optional>
#include <string>

namespace bulkhead::config {

/// The lines of a file, a pipe or a terminal, as they come. No call waits for a writer: where
/// nothing is there the caller polls fd() together with what else it watches.
class line_stream {
public:
  struct line {
    std::string text;         ///< without its newline, and without a carriage return before it
    std::uint64_t number = 0; ///< counts from 1
    bool cut = false;         ///< longer than the bound: `text` is only its beginning
  };

  /// Of a line with more than `most_bytes` only the beginning is kept.
  explicit line_stream(std::size_t most_bytes) : most_bytes_(most_bytes) {}

  /// Begins to read: a path, which may be a FIFO without a writer yet, or a descriptor that others
  /// may hold, too. Throws std::system_error where that cannot be read.
  void open(const std::string& path);
  void open(int standard_input);

  /// The next line; empty where there is none now: see ended().
  std::optional<line> next();

  /// No further line will come: the end, or an error.
  bool ended() const noexcept { return ended_ && at_ == buffer_.size(); }

  /// What to poll for more; -1 where nothing more will come.
  int fd() const noexcept { return ended_ ? -1 : fd_.get(); }

  /// Lines that next() gave.
  std::uint64_t lines() const noexcept { return lines_; }

  /// Why reading failed; empty where it did not.
  const std::string& error() const noexcept { return error_; }

private:
  bool fill();
  std::optional<line> take(std::size_t end, std::size_t next);

  std::size_t most_bytes_;
  runtime::unique_fd fd_;
  std::string buffer_;
  std::size_t at_ = 0;      ///< of the first byte that was not given out
  std::size_t scanned_ = 0; ///< there is no newline between at_ and here
  bool cut_ = false;        ///< the line at at_ is longer than the bound; its rest is dropped
  bool file_ = false;       ///< a regular file: reading it waits for nobody
  bool ended_ = false;
  std::uint64_t lines_ = 0;
  std::string error_;
};

} // namespace bulkhead::config
