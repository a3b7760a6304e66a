#pragma once

#include "runtime/sandbox/call_filter.hpp"

#include <bulkhead/sandbox.hpp>

namespace bulkhead::runtime::sandbox {

/// The rules of a policy that is only audited: a call that it does not allow, and one that names a
/// file or address, waits until the host has looked at it and let it go on. Calls that are refused
/// with ENOSYS are refused all the same: libc does the like by others then, and the rules look at
/// those.
call_rules audit_rules_for(const sandbox_policy& policy);

} // namespace bulkhead::runtime::sandbox
