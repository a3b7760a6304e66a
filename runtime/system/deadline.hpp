#pragma once

#include <chrono>

namespace bulkhead::runtime {

/// Waits until `fd` has one of the poll(2) `events` or an error. 0, ETIMEDOUT, or errno.
int wait_for(int fd, short events, std::chrono::steady_clock::time_point deadline) noexcept;

} // namespace bulkhead::runtime
