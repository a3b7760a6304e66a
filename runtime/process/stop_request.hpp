#pragma once

#include <stop_token>

namespace bulkhead::runtime::stop_request {

/// From now on this process can be asked; for processes that run no tasks.
void listen() noexcept;

/// Whether this process as a whole was asked to stop.
bool made() noexcept;

/// Asks it. For good. Thread-safe; runs no user code.
void make() noexcept;

/// Triggers, on a thread of its own, when it is asked; empty where it cannot be.
std::stop_token token();

} // namespace bulkhead::runtime::stop_request
