#pragma once

#include "runtime/sandbox/call_filter.hpp"

#include <bulkhead/sandbox.hpp>

namespace bulkhead::runtime::sandbox {

/// What a policy allows, as answers to system calls. `scoped_signals`: the kernel's Landlock keeps
/// signals within the sandbox, so that children may be signalled; without, only the worker itself.
/// Throws config_error for a name in allow_syscalls that is none.
call_rules rules_for(const sandbox_policy& policy, bool scoped_signals);

/// The rules that come down once the library's own thread and handlers are there: no further
/// filters, no other handler of violations, and no further threads where tasks may start none.
call_rules late_rules_for(const sandbox_policy& policy);

/// Both together, as tasks meet them.
call_rules all_rules_for(const sandbox_policy& policy, bool scoped_signals);

/// True where tasks may start no threads.
bool is_single_threaded(const sandbox_policy& policy) noexcept;

} // namespace bulkhead::runtime::sandbox
