#pragma once

#include "runtime/system/unique_fd.hpp"

namespace bulkhead::runtime {

/// An eventfd that wakes who polls it. Throws std::system_error, its text `what`.
unique_fd make_bell(const char* what);

/// So that `epoll` hears it; the event's data is the bell. Throws std::system_error.
void watch_bell(int epoll, int bell);

/// Also for the writing end of a pipe. A full bell rings already.
void ring(int bell) noexcept;

/// Takes the rings of an eventfd. Does not block where a process that shares the descriptor has
/// taken them first and made its reads block.
void hush(int bell) noexcept;

} // namespace bulkhead::runtime
