#include "runtime/audit/audit_record.hpp"

#include "runtime/audit/policy_judge.hpp"
#include "runtime/audit/smallest_policy.hpp"
#include "runtime/sandbox/violation_text.hpp"

#include <bulkhead/error.hpp>

#include <sys/syscall.h>

#include <utility>

namespace bulkhead::detail {

void audit_record::belong_to(const sandbox_policy& policy) {
  auto own = policy;
  own.audit.reset(); // it would hold itself
  const std::lock_guard lock{mutex_};
  if (policy_ && *policy_ != own)
    throw config_error("sandbox.audit is one that notes for another policy; one sandbox_audit for "
                       "each policy: it says what that one lacks");
  policy_ = std::move(own);
}

audit_record::identity audit_record::identity_of(const runtime::audit::audited_call& call) {
  constexpr std::uint64_t smallest_address = 65536;
  std::array<std::uint64_t, 3> plain{};
  if (call.target.empty())
    for (std::size_t i = 0; i < plain.size(); ++i)
      if (call.arguments[i] < smallest_address || (call.number == SYS_clone && i == 0))
        plain[i] = call.arguments[i];
  return {call.number, call.use, call.target, plain};
}

void audit_record::note(const runtime::audit::audited_call& call) {
  auto key = identity_of(call);
  const std::lock_guard lock{mutex_};
  auto found = calls_.find(key);
  if (found == calls_.end()) {
    if (calls_.size() == most_calls) {
      ++missed_;
      return;
    }
    found = calls_.emplace(std::move(key), entry{call}).first;
  }
  ++found->second.times;
}

std::vector<audit_finding> audit_record::findings() const {
  const std::lock_guard lock{mutex_};
  std::vector<audit_finding> all;
  if (!policy_)
    return all;
  const runtime::audit::policy_judge judge{*policy_};
  for (const auto& one : calls_) {
    const auto& each = one.second;
    const auto effect = judge(each.call);
    if (!effect)
      continue;
    audit_finding found;
    found.what =
      runtime::sandbox::violation_of(each.call.number, each.call.arguments, each.call.target);
    found.effect = *effect;
    found.times = each.times;
    all.push_back(std::move(found));
  }
  return all;
}

sandbox_policy audit_record::smallest() const {
  std::vector<runtime::audit::audited_call> all;
  sandbox_policy from;
  {
    const std::lock_guard lock{mutex_};
    if (!policy_)
      return from;
    from = *policy_;
    for (const auto& one : calls_)
      all.push_back(one.second.call);
  }
  return runtime::audit::smallest_policy(std::move(from), all);
}

std::uint64_t audit_record::missed() const noexcept {
  const std::lock_guard lock{mutex_};
  return missed_;
}

} // namespace bulkhead::detail

namespace bulkhead {

sandbox_audit::sandbox_audit() : record_(std::make_unique<detail::audit_record>()) {}
sandbox_audit::~sandbox_audit() = default;

void sandbox_audit::belong_to(const sandbox_policy& policy) { record_->belong_to(policy); }
std::vector<audit_finding> sandbox_audit::findings() const { return record_->findings(); }
sandbox_policy sandbox_audit::smallest() const { return record_->smallest(); }
std::uint64_t sandbox_audit::missed() const noexcept { return record_->missed(); }

std::string_view to_string(audit_effect effect) noexcept {
  switch (effect) {
  case audit_effect::ends_worker:
    return "ends_worker";
  case audit_effect::denied:
    return "denied";
  case audit_effect::refused:
    return "refused";
  }
  return "invalid";
}

} // namespace bulkhead
