#pragma once

#include "runtime/sandbox/sandbox_plan.hpp"

namespace bulkhead::runtime::sandbox {

/// errno of each part; 0: active. ENOSYS: this kernel's Landlock does not know it.
struct landlock_result {
  int files = 0;
  int ports = 0;
  int scopes = 0;
};

/// From now on the calling thread and what it starts reaches only the plan's files and TCP ports,
/// and signals only its own kind. For ever.
landlock_result confine(const sandbox_plan& plan) noexcept;

} // namespace bulkhead::runtime::sandbox
