#pragma once

#include "tools/text/document.hpp"

#include <bulkhead/audit.hpp>

#include <string>

namespace bulkhead::command {

using config::json;

/// A sandbox as it stands in a job: what differs from the default.
json policy_json(const sandbox_policy& policy);

/// What an audit found, a line each, for people: call, effect, remedy, how often.
std::string findings_text(const sandbox_audit& audit);

/// Policy and findings, for programs.
json audit_json(const sandbox_audit& audit);

} // namespace bulkhead::command
