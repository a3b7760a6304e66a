#pragma once

#include "runtime/ipc/monitor.hpp"

#include <bulkhead/detail/shared_object.hpp>

#include <stdexcept>

namespace bulkhead::runtime {

/// The memory of semaphores, events and latches: one number that is changed by one store under the
/// monitor, and those who wait for it.
struct counter_words {
  detail::shared_kind kind;
  monitor access;
  waiting_line waiters;
  std::atomic<std::uint64_t> number;
  std::uint64_t most; ///< of a semaphore; never changes
};

/// Throws where the lock of an object cannot be had without any deadline: another process has
/// overwritten the memory.
inline void require_held(const monitor::guard& g) {
  if (!g)
    throw std::runtime_error("the lock of a shared object is damaged: a process has overwritten "
                             "its memory; make a new object");
}

} // namespace bulkhead::runtime
