#pragma once

#include "runtime/system/unique_fd.hpp"

#include <sys/types.h>

#include <chrono>
#include <optional>
#include <string>
#include <vector>

namespace bulkhead::observe::detail {

using deadline_point = std::chrono::steady_clock::time_point;

/// The name of the socket of a process, in the abstract namespace: without its leading zero.
std::string attach_name(pid_t pid);
/// A listening socket of that name. Throws std::system_error.
runtime::unique_fd listen_as(const std::string& name);
/// Whether the other end belongs to this process's user.
bool is_same_user(int fd) noexcept;

/// A line of at most 1 KiB without its end; none where it did not come by then.
std::optional<std::string> read_line(int fd, deadline_point deadline);
/// False where it could not be written by then.
bool write_line(int fd, const std::string& line, deadline_point deadline);

} // namespace bulkhead::observe::detail
