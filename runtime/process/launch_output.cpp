#include "runtime/process/launch_output.hpp"

#include <utility>

namespace bulkhead::runtime {

launch_output::launch_output(output_mode mode, std::string_view owner, std::uint64_t number,
                             std::shared_ptr<reactor> thread, worker_output::line_handler on_line) {
  if (mode == output_mode::prefix || mode == output_mode::capture)
    reader_ =
      std::make_unique<worker_output>(mode, owner, number, std::move(thread), std::move(on_line));
  else if (mode == output_mode::null)
    null_ = open_null_output();
}

void launch_output::direct(launch_request& request) const noexcept {
  request.stdout_fd = request.stderr_fd = reader_ ? reader_->write_fd() : null_.get();
}

void launch_output::launched() noexcept {
  null_.reset();
  // While the host holds it the pipe never ends, and the last lines would wait for an end that
  // nobody brings.
  if (reader_)
    reader_->close_write_end();
}

std::string launch_output::tail(std::size_t max) const {
  return reader_ ? reader_->tail(max) : std::string{};
}

} // namespace bulkhead::runtime
