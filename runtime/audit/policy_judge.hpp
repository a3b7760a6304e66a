#pragma once

#include "runtime/audit/audited_call.hpp"
#include "runtime/sandbox/call_filter.hpp"
#include "runtime/sandbox/sandbox_plan.hpp"

#include <bulkhead/audit.hpp>
#include <bulkhead/sandbox.hpp>

#include <optional>

namespace bulkhead::runtime::audit {

/// Says of calls what a policy does to them on a kernel that has all that a sandbox can use. A
/// plain value.
class policy_judge {
public:
  /// Throws config_error for a policy that cannot be.
  explicit policy_judge(const sandbox_policy& policy);

  /// Empty: it is allowed.
  std::optional<audit_effect> operator()(const audited_call& call) const;

private:
  bool reaches(const audited_call& call) const;
  bool covers(const std::string& path, std::uint64_t access) const;

  sandbox::call_rules rules_;
  sandbox::sandbox_plan plan_;
};

} // namespace bulkhead::runtime::audit
