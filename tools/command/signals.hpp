#pragma once

#include "runtime/system/unique_fd.hpp"

namespace bulkhead::command {

/// Ctrl-C and SIGTERM as something to poll. Made in main, before the first thread: it blocks both
/// signals in this thread and in those it starts, and ignores SIGPIPE. The library itself leaves
/// signals alone.
class signals {
public:
  signals();

  int fd() const noexcept { return fd_.get(); }

  /// The next signal that came; 0 where none did.
  int take() noexcept;

private:
  runtime::unique_fd fd_;
};

} // namespace bulkhead::command
