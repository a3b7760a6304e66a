#pragma once

#include "runtime/system/unique_fd.hpp"
#include "runtime/this_process/reactor.hpp"

#include <bulkhead/audit.hpp>

#include <linux/seccomp.h>
#include <sys/types.h>

#include <cstdint>
#include <memory>

namespace bulkhead::runtime::audit {

/// Looks at the calls that an audited worker waits with, on the runtime thread, notes them and lets
/// them go on. Its destructor runs there, too; calls fail with ENOSYS from then on.
class audit_watch {
public:
  /// Takes the listener of its filter out of the worker, where it has this number. Throws
  /// std::system_error: this process may not trace it (Yama, another user), or has no more
  /// descriptors.
  audit_watch(std::shared_ptr<reactor> thread, pid_t worker, int pidfd, int number,
              std::shared_ptr<sandbox_audit> into);
  ~audit_watch();
  audit_watch(const audit_watch&) = delete;
  audit_watch& operator=(const audit_watch&) = delete;

private:
  void look() noexcept;
  bool is_of_library(const seccomp_notif& call) noexcept;

  const std::shared_ptr<reactor> thread_;
  const pid_t worker_;
  const std::shared_ptr<sandbox_audit> into_;
  const unique_fd listener_;
  std::uint64_t watch_ = 0;
  bool begun_ = false; ///< the library has done all that the policy forbids to tasks
};

} // namespace bulkhead::runtime::audit
