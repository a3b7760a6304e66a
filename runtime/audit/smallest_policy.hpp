#pragma once

#include "runtime/audit/audited_call.hpp"

#include <bulkhead/sandbox.hpp>

#include <span>

namespace bulkhead::runtime::audit {

/// `from`, and as little beyond it as the calls need. Looks at the file system: a policy names what
/// is there. See sandbox_audit::smallest.
sandbox_policy smallest_policy(sandbox_policy from, std::span<const audited_call> calls);

} // namespace bulkhead::runtime::audit
