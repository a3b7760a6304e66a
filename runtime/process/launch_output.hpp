#pragma once

#include "runtime/process/launch_request.hpp"
#include "runtime/process/worker_output.hpp"
#include "runtime/system/unique_fd.hpp"
#include "runtime/this_process/reactor.hpp"

#include <bulkhead/options.hpp>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

namespace bulkhead::runtime {

/// Where one process to be launched prints: onto the host's own output, into a reader of its lines,
/// or nowhere. By default the first.
class launch_output {
public:
  launch_output() noexcept = default;
  /// `owner` and `number` are for the labels of output_mode::prefix. Throws std::system_error where
  /// no pipe can be made or watched, or /dev/null not be opened.
  launch_output(output_mode mode, std::string_view owner, std::uint64_t number,
                std::shared_ptr<reactor> thread, worker_output::line_handler on_line = {});

  /// The process of the request prints there. The request borrows from this.
  void direct(launch_request& request) const noexcept;
  /// The process has its own descriptors.
  void launched() noexcept;
  /// What it printed last, as worker_output::tail; empty where nobody reads it.
  std::string tail(std::size_t max) const;

private:
  std::unique_ptr<worker_output> reader_;
  unique_fd null_;
};

} // namespace bulkhead::runtime
