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

/// The operation of seccomp(2) by which an audited worker says that what follows are its tasks:
/// there is none with this number.
inline constexpr unsigned audit_begins = 0x62686175;

/// Of a plan that is only audited: from now on the calls of this thread, and of what it starts,
/// that the filter asks the host about wait for the answer of whoever holds the descriptor that
/// comes back; where nobody does any more they fail with ENOSYS. Throws launch_error.
int open_audit(const sandbox_plan& plan);

/// Takes away what close_sandbox left open, or says audit_begins, for the library's own thread and
/// handlers: when they are there, from the thread that closed the sandbox. 0 or errno. Nothing to
/// do without a sandbox.
int close_late_gate() noexcept;

} // namespace bulkhead::runtime::sandbox
