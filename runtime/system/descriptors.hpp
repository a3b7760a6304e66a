#pragma once

#include "runtime/system/unique_fd.hpp"

#include <sys/types.h>

#include <cstddef>
#include <span>
#include <vector>

namespace bulkhead::runtime {

/// The same open file under a number above 2, close-on-exec: a host that was started with closed
/// standard descriptors must not find our sockets there. Empty with errno on failure.
unique_fd above_stdio(unique_fd fd) noexcept;

/// Closes every descriptor above 2 that is not in `keep`; sorts `keep`. Async-signal-safe.
void close_all_but(std::span<int> keep) noexcept;

/// The numbers of this process's open descriptors above 2, sorted; none where /proc is missing.
std::vector<int> descriptors_above_stdio();

/// Makes every descriptor above 2 that is not in `keep` /dev/null and returns their numbers, so
/// that no file that is opened later gets one: an object that was copied with the program's memory
/// may still write there. Of many, the first 256; the rest are closed, and all where /proc or
/// /dev/null is missing. Sorts `keep`.
std::vector<int> cover_all_but(std::span<int> keep);

/// Makes these numbers /dev/null; false where that cannot be opened.
bool cover(std::span<const int> numbers) noexcept;

/// A pidfd, close-on-exec. Empty with errno on failure.
unique_fd open_pidfd(pid_t pid) noexcept;

/// Sends a signal to exactly this process, however its number was reused. False with errno.
bool send_signal(int pidfd, int signal) noexcept;

/// Whether the process of this pidfd has ended.
bool has_ended(int pidfd) noexcept;

/// Whether a file may have so many bytes under RLIMIT_FSIZE; false with EFBIG. Asked before a file
/// is made that large, because the kernel would end the process with SIGXFSZ.
bool within_file_limit(std::size_t bytes) noexcept;

/// Makes `fd` (0, 1 or 2) /dev/null, or leaves it where /dev/null cannot be opened.
void point_at_null(int fd, int open_flags) noexcept;

} // namespace bulkhead::runtime
