#pragma once

#include "runtime/system/unique_fd.hpp"

#include <string_view>

namespace bulkhead::runtime {

/// The host's stderr for one turn of writing that must not block, whatever stderr is, and leaves
/// the flags of the shared file description alone: a pipe or terminal is opened a second time,
/// non-blocking. Raises no SIGPIPE in any thread. A host that was started without a stderr has none
/// later either: what has its number then is another file of the program.
class host_stderr {
public:
  host_stderr() noexcept;

  /// At most PIPE_BUF bytes; all or (but for terminals) nothing. False: there was no room.
  bool write(std::string_view text) noexcept;

private:
  enum class kind { none, file, socket, reopened, shared };

  long attempt(std::string_view text) noexcept;

  kind kind_ = kind::none;
  unique_fd own_;
};

} // namespace bulkhead::runtime
