#pragma once

#include "runtime/system/unique_fd.hpp"

#include <string>

namespace bulkhead::command {

/// The name of one of the signals below.
std::string signal_name(int signal);

/// Ctrl-C, SIGTERM, SIGHUP and SIGQUIT as something to poll. Made in main, before the first thread:
/// it blocks them in this thread and in those it starts, and ignores SIGPIPE. The library itself
/// leaves signals alone.
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
