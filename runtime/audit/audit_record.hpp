#pragma once

#include "runtime/audit/audited_call.hpp"

#include <bulkhead/audit.hpp>
#include <bulkhead/sandbox.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <tuple>
#include <vector>

namespace bulkhead::detail {

/// What sandbox_audit keeps: the policy, and each different call with how often it was made.
/// Thread-safe.
class audit_record {
public:
  static constexpr std::size_t most_calls = 4096;

  /// Throws config_error where it is another policy's.
  void belong_to(const sandbox_policy& policy);
  void note(const runtime::audit::audited_call& call);

  std::vector<audit_finding> findings() const;
  sandbox_policy smallest() const;
  std::uint64_t missed() const noexcept;

private:
  /// What makes two calls the same: number, use, target, and arguments that are no addresses.
  using identity =
    std::tuple<long, runtime::sandbox::place_use, std::string, std::array<std::uint64_t, 3>>;
  struct entry {
    runtime::audit::audited_call call;
    std::uint64_t times = 0;
  };

  static identity identity_of(const runtime::audit::audited_call& call);

  mutable std::mutex mutex_; ///< guards all of it
  std::optional<sandbox_policy> policy_;
  std::map<identity, entry> calls_;
  std::uint64_t missed_ = 0;
};

} // namespace bulkhead::detail
