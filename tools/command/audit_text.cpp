#include "tools/command/audit_text.hpp"

#include "runtime/sandbox/violation_text.hpp"

#include <filesystem>
#include <string>
#include <type_traits>
#include <vector>

#include <fmt/format.h>

namespace bulkhead::command {

namespace {

const char* word_of(sandbox_profile profile) {
  switch (profile) {
  case sandbox_profile::none:
    return "none";
  case sandbox_profile::standard:
    return "standard";
  case sandbox_profile::strict:
    return "strict";
  }
  return "invalid";
}

const char* effect_text(audit_effect effect) {
  switch (effect) {
  case audit_effect::ends_worker:
    return "would end the worker";
  case audit_effect::denied:
    return "would be denied";
  case audit_effect::refused:
    return "would be refused, which programs can mostly do without";
  }
  return "invalid";
}

// A job's own paths begin at its folder, and the policy may be put into any.
std::vector<std::string> absolute(const std::vector<std::string>& paths) {
  std::vector<std::string> made;
  made.reserve(paths.size());
  for (const auto& each : paths)
    made.push_back(std::filesystem::absolute(each).lexically_normal());
  return made;
}

} // namespace

json policy_json(const sandbox_policy& policy) {
  json made{{"base", word_of(policy.base)}};
  const auto put = [&](const char* name, const auto& value) {
    if (value != std::decay_t<decltype(value)>{})
      made[name] = value;
  };
  put("read", absolute(policy.read));
  put("write", absolute(policy.write));
  put("connect", policy.connect);
  put("exec", absolute(policy.exec));
  put("allow_syscalls", policy.allow_syscalls);
  put("environment", policy.environment);
  put("threads", policy.threads);
  put("executable_memory", policy.executable_memory);
  put("first_user", policy.first_user);
  put("require", policy.require);
  return made;
}

std::string findings_text(const sandbox_audit& audit) {
  std::string text;
  for (const auto& each : audit.findings())
    text += fmt::format("audit: {} {}, {}: {}\n", runtime::sandbox::call_text(each.what),
                        each.times == 1 ? "once" : fmt::format("{} times", each.times),
                        effect_text(each.effect), each.what.remedy);
  if (const auto missed = audit.missed(); missed != 0)
    text += fmt::format("audit: {} further calls were not noted; run fewer inputs\n", missed);
  return text.empty() ? "audit: nothing that the profile forbids\n" : text;
}

json audit_json(const sandbox_audit& audit) {
  auto findings = json::array();
  for (const auto& each : audit.findings())
    findings.push_back({{"call", each.what.call},
                        {"target", each.what.target},
                        {"arguments", each.what.arguments},
                        {"effect", to_string(each.effect)},
                        {"remedy", each.what.remedy},
                        {"times", each.times}});
  return {{"pool", {{"sandbox", policy_json(audit.smallest())}}},
          {"findings", std::move(findings)},
          {"missed", audit.missed()}};
}

} // namespace bulkhead::command
