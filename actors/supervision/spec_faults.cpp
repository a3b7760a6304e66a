#include "actors/supervision/spec_faults.hpp"

#include <set>

// What is wrong with a supervisor's specs. All faults are collected into one text, so that a user
// who has made several mends them in one go.
namespace bulkhead {

std::string_view to_string(restart_strategy strategy) noexcept {
  switch (strategy) {
  case restart_strategy::one_for_one:
    return "one_for_one";
  case restart_strategy::one_for_all:
    return "one_for_all";
  case restart_strategy::rest_for_one:
    return "rest_for_one";
  case restart_strategy::simple_one_for_one:
    return "simple_one_for_one";
  }
  return "unknown";
}

std::string_view to_string(restart_type type) noexcept {
  switch (type) {
  case restart_type::permanent:
    return "permanent";
  case restart_type::transient:
    return "transient";
  case restart_type::temporary:
    return "temporary";
  }
  return "unknown";
}

std::string_view to_string(child_type type) noexcept {
  return type == child_type::worker ? "worker" : "supervisor";
}

std::string_view to_string(supervision_event_kind kind) noexcept {
  switch (kind) {
  case supervision_event_kind::started:
    return "started";
  case supervision_event_kind::start_failed:
    return "start_failed";
  case supervision_event_kind::exited:
    return "exited";
  case supervision_event_kind::stopped:
    return "stopped";
  case supervision_event_kind::restarting:
    return "restarting";
  case supervision_event_kind::gave_up:
    return "gave_up";
  case supervision_event_kind::ended:
    return "ended";
  }
  return "unknown";
}

namespace actors {

namespace {

std::string ns(std::chrono::nanoseconds t) { return std::to_string(t.count()) + " ns"; }

void check_times(const supervisor_options& o, std::string& faults) {
  if (o.within.count() <= 0)
    faults += "supervisor_options::within is " + ns(o.within)
              + "; allowed: more than 0 ns; the period in which max_restarts are counted\n";
  if (o.backoff_initial.count() < 0)
    faults += "supervisor_options::backoff_initial is " + ns(o.backoff_initial)
              + "; allowed: 0 ns (no wait) or more\n";
  // A back-off whose maximum is zero would be an option without effect.
  if (o.backoff_max.count() < 0 || (o.backoff_initial.count() > 0 && o.backoff_max.count() == 0))
    faults += "supervisor_options::backoff_max is " + ns(o.backoff_max)
              + "; allowed: more than 0 ns where backoff_initial is, else 0 ns or more\n";
}

void check_name(const supervisor_options& o, std::string& faults) {
  if (o.name.empty() || o.name.find('/') != std::string::npos)
    faults += "supervisor_options::name is '" + o.name
              + "'; allowed: a text that is not empty and has no '/', which separates the names of "
                "supervisors\n";
}

} // namespace

std::string faults_of(const supervisor_options& options, const child_rule& child) {
  const auto place = "child '" + child.id + "': ";
  std::string faults;
  if (child.id.empty())
    faults += "a child_spec::id is empty; allowed: a text, one of its own for each child\n";
  if (child.shutdown.how() == shutdown_rule::kind::deadline && child.shutdown.after().count() < 0)
    faults += place + "shutdown is " + ns(child.shutdown.after())
              + "; allowed: 0 ns or more, brutal_kill, infinity\n";
  if (child.significant && child.restart == restart_type::permanent)
    faults += place
              + "significant is true for a permanent child, which never ends by itself; allowed: "
                "transient or temporary ones\n";
  if (child.significant && options.auto_shutdown == auto_shutdown::never)
    faults += place
              + "significant is true while supervisor_options::auto_shutdown is never, so that it "
                "would have no effect; set auto_shutdown to any_significant or all_significant\n";
  return faults;
}

std::string faults_of(const supervisor_options& options, const std::vector<child_rule>& children) {
  std::string faults;
  check_name(options, faults);
  check_times(options, faults);
  if (options.strategy == restart_strategy::simple_one_for_one && children.size() != 1)
    faults += "a simple_one_for_one supervisor has " + std::to_string(children.size())
              + " child specs; allowed: 1, the pattern of all its children\n";
  std::set<std::string> seen;
  for (const auto& child : children) {
    faults += faults_of(options, child);
    if (!child.id.empty() && !seen.insert(child.id).second)
      faults += "child '" + child.id + "': another child has this id; give each one of its own\n";
  }
  return faults;
}

} // namespace actors

} // namespace bulkhead
