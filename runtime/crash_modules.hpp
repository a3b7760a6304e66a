#pragma once

#include <cstdint>

namespace bulkhead::runtime {

/// Where code lies: the module's identity as in function_ref, 0 where no module is known there.
struct code_place {
  std::uint64_t module = 0;
  std::uint64_t offset = 0;
};

/// Takes a new snapshot of the loaded modules if any was loaded since the last; call it after
/// loading a library in a worker. Does not throw: without memory the old snapshot stays.
/// Thread-safe.
void refresh_crash_modules() noexcept;

/// By the last snapshot. Async-signal-safe.
code_place find_code(std::uintptr_t address) noexcept;

} // namespace bulkhead::runtime
