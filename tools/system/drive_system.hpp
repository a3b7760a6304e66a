#pragma once

#include "tools/system/system_report.hpp"
#include "tools/system/teller.hpp"

#include <functional>
#include <optional>
#include <string>

namespace bulkhead::systems {

/// What ends a run from outside.
struct interruption {
  int fd = -1;                 ///< readable when a signal has come
  std::function<int()> signal; ///< takes it; 0: there is none
  /// Reads the file again, at SIGHUP while it serves; tells itself what is wrong, and gives nothing
  /// then. Empty: SIGHUP ends as other signals do.
  std::function<std::optional<system_plan>()> reload;
};

/// Runs a system: starts it, does its script, serves where the file says so, and stops it. The
/// report is of the last generation. Throws what pools and supervisors throw at their start;
/// nothing is left behind then.
system_report drive_system(const system_plan& plan, const interruption& from_outside,
                           const teller& tell);

} // namespace bulkhead::systems
