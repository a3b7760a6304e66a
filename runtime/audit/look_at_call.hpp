#pragma once

#include "runtime/audit/audited_call.hpp"

#include <linux/seccomp.h>
#include <sys/types.h>

#include <vector>

namespace bulkhead::runtime::audit {

/// The call that a thread of an audited worker, or of its children, is about to make: one for each
/// place that it names, else one. Reads the thread's memory and folders; what cannot be read is
/// empty.
std::vector<audited_call> look_at_call(const seccomp_notif& about, pid_t worker);

} // namespace bulkhead::runtime::audit
