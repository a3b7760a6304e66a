#pragma once

#include <optional>

namespace bulkhead::runtime {

/// The wait status of an ended process that another process reaps or nobody does: reaps it if it
/// has become our child, else asks the kernel (PIDFD_GET_INFO, Linux 6.15). Empty: not known yet,
/// or never.
std::optional<int> exit_from_pidfd(int pidfd) noexcept;

} // namespace bulkhead::runtime
