#include "runtime/audit/policy_judge.hpp"

#include "runtime/sandbox/compile_policy.hpp"
#include "runtime/sandbox/landlock_calls.hpp"
#include "runtime/sandbox/profile_rules.hpp"

#include <algorithm>
#include <filesystem>

namespace bulkhead::runtime::audit {

using sandbox::place_use;

namespace {

constexpr sandbox::abilities whole{
  .landlock = sandbox::version_for_scopes, .seccomp = true, .root = true};

sandbox_policy without_audit(sandbox_policy policy) {
  policy.audit.reset();
  return policy;
}

bool lies_in(const std::string& path, const std::string& folder) {
  if (folder == "/")
    return true;
  return path.starts_with(folder) && (path.size() == folder.size() || path[folder.size()] == '/');
}

} // namespace

policy_judge::policy_judge(const sandbox_policy& policy)
  : rules_(sandbox::all_rules_for(policy, true)),
    plan_(sandbox::compile_policy(without_audit(policy), whole, "")) {}

std::optional<audit_effect> policy_judge::operator()(const audited_call& call) const {
  const auto answer = sandbox::answer_of(rules_, call.number, call.arguments, call.process);
  if (answer == sandbox::violation())
    return audit_effect::ends_worker;
  if (answer != sandbox::allow())
    return audit_effect::refused;
  if (!reaches(call))
    return audit_effect::denied;
  return std::nullopt;
}

bool policy_judge::reaches(const audited_call& call) const {
  using namespace sandbox::access_file;
  switch (call.use) {
  case place_use::read:
    return covers(call.target, read);
  case place_use::write:
    return covers(call.target, write);
  case place_use::make:
    return covers(std::filesystem::path{call.target}.parent_path(), make);
  case place_use::execute:
    return covers(call.target, execute);
  case place_use::address:
    return call.port == 0 || std::ranges::find(plan_.ports, call.port) != plan_.ports.end();
  case place_use::look:
  case place_use::open:
    break;
  }
  return true;
}

bool policy_judge::covers(const std::string& path, std::uint64_t access) const {
  return std::ranges::any_of(plan_.paths, [&](const sandbox::path_rule& rule) {
    return (rule.access & access) == access && lies_in(path, rule.path);
  });
}

} // namespace bulkhead::runtime::audit
