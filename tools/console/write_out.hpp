#pragma once

#include <string_view>

#include <sys/types.h>

namespace bulkhead::command {

/// True where writing at most PIPE_BUF bytes does not wait.
bool has_room(int fd) noexcept;

/// Writes what fits without waiting, also where the descriptor is a blocking one that others share.
/// How many bytes were written, or -1 with errno.
ssize_t write_some(int fd, std::string_view text) noexcept;

/// Writes all. False where that failed, with errno; ECANCELED where `stop` became readable while
/// nobody read. No `stop`: -1.
bool write_out(int fd, std::string_view text, int stop = -1);

/// Writes all to standard output. False, and told on standard error, where that failed for another
/// reason than a reader that went away.
bool print(std::string_view text);

} // namespace bulkhead::command
