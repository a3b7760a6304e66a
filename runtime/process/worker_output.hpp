#pragma once

#include "runtime/process/host_stderr.hpp"
#include "runtime/process/line_tail.hpp"
#include "runtime/system/unique_fd.hpp"
#include "runtime/this_process/reactor.hpp"

#include <bulkhead/options.hpp>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>

namespace bulkhead::runtime {

/// What one worker prints under output_mode::prefix and capture: a pipe whose write end becomes
/// the worker's stdout and stderr, read on the runtime thread in bounded turns, so that a worker
/// that floods it delays nobody. Descendants of the worker may hold the write end as long as they
/// like; nothing here waits for its end. All calls are thread-safe.
class worker_output {
public:
  using line_handler = std::function<void(std::string_view line)>;

  /// `on_line`, if any, hears each line, printable; it must not call back. Throws std::system_error
  /// where no pipe can be made or watched.
  worker_output(output_mode mode, std::string_view pool, std::uint64_t worker,
                std::shared_ptr<reactor> thread, line_handler on_line = {});
  /// Prints what is left (prefix). Waits for a running handler unless on the runtime thread.
  ~worker_output();
  worker_output(const worker_output&) = delete;
  worker_output& operator=(const worker_output&) = delete;

  /// Close-on-exec and blocking; -1 once closed.
  int write_fd() const noexcept { return write_end_.get(); }
  /// After the launch, by the thread that launched.
  void close_write_end() noexcept { write_end_.reset(); }

  /// The last whole lines within `max` bytes, printable. Takes in what the pipe holds now, at most
  /// 256 KiB, so after the worker's death nothing is missing.
  std::string tail(std::size_t max);

  /// Lines that the host's stderr had no room for.
  std::uint64_t dropped_lines() const;

private:
  void on_readable();
  bool take_in(std::size_t most);
  void hear(std::string_view line);
  void print(std::string_view text);
  void flush_printing();

  std::uint64_t owner_; ///< a forked copy of the host only closes
  output_mode mode_;
  std::string label_; ///< "[pool/3] "
  std::shared_ptr<reactor> reactor_;
  line_handler on_line_;
  unique_fd read_end_;
  unique_fd write_end_;
  std::uint64_t watch_ = 0;
  mutable std::mutex mutex_;
  line_tail lines_;
  std::string printing_;              ///< whole labelled lines that wait for the end of the turn
  std::optional<host_stderr> stderr_; ///< within a turn
  std::uint64_t dropped_ = 0;
  std::uint64_t told_ = 0; ///< of the dropped lines, told on stderr
};

/// For output_mode::null. Throws std::system_error.
unique_fd open_null_output();

} // namespace bulkhead::runtime
