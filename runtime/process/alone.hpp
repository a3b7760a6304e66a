#pragma once

#include <cstddef>
#include <stop_token>
#include <string>

// What a process without a pool knows: who it is, and whether it is to end.

namespace bulkhead::runtime {

struct lone_identity {
  std::size_t number = 0; ///< among those of its parent, from 1 on
  std::string name;
};

/// Of this process; null where it is no bulkhead::process.
const lone_identity* own_lone_identity() noexcept;
/// Before there are other threads.
void become_lone(lone_identity who);

} // namespace bulkhead::runtime

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
