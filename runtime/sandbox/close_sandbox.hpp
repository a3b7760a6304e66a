#pragma once

#include "runtime/sandbox/sandbox_plan.hpp"

#include <array>
#include <cstddef>
#include <span>

namespace bulkhead::runtime::sandbox {

/// errno of each feature of a plan; 0: it is active, or was not asked for.
using closing_errors = std::array<int, features>;

/// Applies a plan to this process, which must have one thread. What cannot be had is noted and left
/// out; the caller decides. For ever.
closing_errors close_sandbox(const sandbox_plan& plan);

/// Takes away what close_sandbox left open for the library's own thread and handlers: when they are
/// there, from the thread that closed the sandbox. 0 or errno. Nothing to do without a sandbox.
int close_late_gate() noexcept;

} // namespace bulkhead::runtime::sandbox
