#include "runtime/sandbox/audit_rules.hpp"

#include "runtime/sandbox/named_places.hpp"
#include "runtime/sandbox/profile_rules.hpp"

#include <cerrno>

namespace bulkhead::runtime::sandbox {

namespace {

verdict watched(verdict of_policy) noexcept {
  return of_policy == allow() || of_policy == refuse_with(ENOSYS) ? of_policy : notify_host();
}

} // namespace

call_rules audit_rules_for(const sandbox_policy& policy) {
  auto made = all_rules_for(policy, true);
  made.unlisted = watched(made.unlisted);
  for (auto& [number, rule] : made.rules) {
    rule.otherwise = watched(rule.otherwise);
    for (auto& one : rule.cases)
      one.answer = watched(one.answer);
  }
  for (const auto& place : named_places)
    if (place.use != place_use::look) // which Landlock does not forbid
      made.rules[static_cast<int>(place.call)] = {.otherwise = notify_host()};
  return made;
}

} // namespace bulkhead::runtime::sandbox
