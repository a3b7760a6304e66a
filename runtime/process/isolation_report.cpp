#include "runtime/process/isolation_report.hpp"

#include <cerrno>
#include <system_error>

namespace bulkhead::runtime {

namespace {

struct step_name {
  setup_step step;
  const char* name;
};

constexpr std::array step_names{
  step_name{setup_step::signals, "signals_reset"},
  step_name{setup_step::process_group, "own_process_group"},
  step_name{setup_step::stdin_null, "stdin_null"},
  step_name{setup_step::descriptors, "descriptors_closed"},
  step_name{setup_step::core_size, "core_size"},
  step_name{setup_step::limits, "resource_limits"},
  step_name{setup_step::oom_score, "killed_before_host_when_memory_ends"},
  step_name{setup_step::nice, "nice"},
  step_name{setup_step::affinity, "affinity"},
  step_name{setup_step::no_new_privileges, "no_new_privileges"},
  step_name{setup_step::descendants, "descendants_killed"},
  step_name{setup_step::parent_death, "dies_with_forkserver"},
};
static_assert(step_names.size() == static_cast<std::size_t>(setup_step::sandbox));

bool any_limit(const worker_setup& setup) noexcept {
  constexpr auto inherited = worker_setup::inherited;
  return setup.address_space != inherited || setup.cpu_seconds != inherited
         || setup.open_files != inherited || setup.file_size != inherited
         || setup.stack_size != inherited || setup.processes != inherited;
}

bool requested(const worker_setup& setup, setup_step step) noexcept {
  switch (step) {
  case setup_step::core_size:
    return setup.core_size != worker_setup::inherited;
  case setup_step::limits:
    return any_limit(setup);
  case setup_step::oom_score:
    return setup.oom_score != 0;
  case setup_step::nice:
    return setup.nice != 0;
  case setup_step::affinity:
    return setup.wants_affinity();
  case setup_step::no_new_privileges:
    return setup.no_new_privileges;
  case setup_step::parent_death:
    return setup.dies_with_forkserver;
  default:
    return true;
  }
}

isolation_feature feature_of(const worker_setup& setup, const setup_report* report,
                             const step_name& entry) {
  isolation_feature made;
  made.name = entry.name;
  made.requested = requested(setup, entry.step);
  const auto at = static_cast<std::size_t>(entry.step);
  if (!made.requested)
    made.why_not = "not requested";
  else if (report == nullptr)
    made.why_not = "the worker has not started yet";
  else if (report->states[at] == setup_report::active)
    made.active = true;
  else
    made.why_not = std::generic_category().message(report->errors[at]);
  return made;
}

isolation_feature sandbox_feature(const worker_setup& setup, const setup_report* report,
                                  sandbox::feature which) {
  isolation_feature made;
  made.name = sandbox::name_of(which);
  made.requested = (setup.sandbox_asked & sandbox::bit_of(which)) != 0;
  if (!made.requested) {
    made.why_not = "not requested";
    return made;
  }
  if (setup.sandbox_audited) {
    made.why_not = "sandbox.audit is set: nothing is forbidden, only noted";
    return made;
  }
  if (report == nullptr) {
    made.why_not = "the worker has not started yet";
    return made;
  }
  const auto at = static_cast<std::size_t>(setup_step::sandbox) + static_cast<std::size_t>(which);
  made.active = report->states[at] == setup_report::active;
  if (!made.active)
    made.why_not = report->errors[at] == ENOSYS
                     ? "this kernel does not have it, or only a part"
                     : std::generic_category().message(report->errors[at]);
  return made;
}

void add_sandbox(std::vector<isolation_feature>& to, const worker_setup& setup,
                 const setup_report* report) {
  for (std::size_t i = 0; i < sandbox::features; ++i)
    to.push_back(sandbox_feature(setup, report, static_cast<sandbox::feature>(i)));
}

// What this version has no code for is listed too: nobody should take it for granted.
void add_unavailable(std::vector<isolation_feature>& to) {
  for (const char* name : {"cgroup", "namespaces"})
    to.push_back({name, false, false, "not requested"});
}

} // namespace

std::vector<isolation_feature> isolation_report(const worker_setup& setup,
                                                const setup_report* report, bool orphaned) {
  std::vector<isolation_feature> features;
  features.push_back({"own_address_space", true, report != nullptr,
                      report != nullptr ? "" : "the worker has not started yet"});
  for (const auto& entry : step_names) {
    features.push_back(feature_of(setup, report, entry));
    // Who would kill them is the forkserver; what the worker has set up works no more without it.
    if (entry.step == setup_step::descendants && features.back().active && orphaned) {
      features.back().active = false;
      features.back().why_not = "the worker's forkserver has died";
    }
  }
  add_sandbox(features, setup, report);
  add_unavailable(features);
  return features;
}

std::vector<isolation_feature> no_isolation(std::string_view why_not) {
  std::vector<isolation_feature> features{{"own_address_space", true, false, std::string{why_not}}};
  for (const auto& entry : step_names)
    features.push_back({entry.name, true, false, std::string{why_not}});
  add_sandbox(features, {}, nullptr);
  add_unavailable(features);
  return features;
}

} // namespace bulkhead::runtime
