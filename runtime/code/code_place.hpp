#pragma once

#include <cstdint>

namespace bulkhead::runtime {

/// Where code lies: the module's identity as in function_ref, 0 where no module has code there.
struct code_place {
  std::uint64_t module = 0;
  std::uint64_t offset = 0;
};

/// Also for libraries that were loaded a moment ago. Async-signal-safe. With a C library before
/// glibc 2.35 nothing is known.
code_place place_of_code(std::uintptr_t address) noexcept;

} // namespace bulkhead::runtime
