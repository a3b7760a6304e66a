#pragma once

#include <bulkhead/sandbox.hpp>
#include <bulkhead/violation.hpp>

#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

namespace bulkhead {

namespace detail {
class audit_record;
}

/// What a policy does to a call that it does not allow.
enum class audit_effect : std::uint8_t {
  ends_worker, ///< the call is not made, and the worker ends
  denied,      ///< a file or port that the policy does not name: the call fails with EACCES
  refused, ///< the call fails as it does on a lesser system, which programs can mostly do without
};

/// The name of the effect as written above.
std::string_view to_string(audit_effect effect) noexcept;

/// One thing that audited workers did and their policy does not allow.
struct audit_finding {
  policy_violation what; ///< as it was the first time
  audit_effect effect = audit_effect::ends_worker;
  std::uint64_t times = 0;
};

/// Notes what workers do, for the policy that they are to have:
///
///     auto audit = std::make_shared<bulkhead::sandbox_audit>();
///     bulkhead::pool pool({.sandbox = {.base = bulkhead::sandbox_profile::strict, .audit =
///     audit}}); pool.map(work, samples); auto policy = audit->smallest(); // for the pool that
///     serves strangers
///
/// Audited workers are under no protection at all: run them on inputs that are trusted. What was
/// not done while they were watched is in no policy: let the samples reach what the inputs will.
/// Each call that the policy does not allow, and each file that is opened, takes some 10 µs longer.
/// Variables are no system calls and are not noted: see sandbox_policy::environment.
///
/// For pools and processes under one and the same policy; config_error for a second one.
/// Thread-safe.
class sandbox_audit {
public:
  sandbox_audit();
  ~sandbox_audit();
  sandbox_audit(const sandbox_audit&) = delete;
  sandbox_audit& operator=(const sandbox_audit&) = delete;

  /// All so far, sorted by call; the same call on the same file or address once.
  std::vector<audit_finding> findings() const;

  /// The policy with as little beyond it as all that was noted needs, without `audit`. Files by
  /// their names, from eight in a folder on the folder; what has gone by now, by the folder that is
  /// left. What is merely `refused` stays so.
  sandbox_policy smallest() const;

  /// Different calls that were made and not noted, because there were 4096 already.
  std::uint64_t missed() const noexcept;

  /// For the library itself.
  detail::audit_record& record() noexcept { return *record_; }
  /// For the library itself: the policy whose workers are looked at. Throws config_error where it
  /// is not the one from before.
  void belong_to(const sandbox_policy& policy);

private:
  const std::unique_ptr<detail::audit_record> record_;
};

} // namespace bulkhead
