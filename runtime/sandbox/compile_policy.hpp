#pragma once

#include "runtime/sandbox/sandbox_plan.hpp"

#include <bulkhead/sandbox.hpp>

#include <memory>

namespace bulkhead::runtime::sandbox {

/// What the machine has for a sandbox. A plain value, so that tests can take parts away.
struct abilities {
  int landlock = 0; ///< version; 0: none
  bool seccomp = false;
  bool root = false;   ///< may become other users
  bool notices = true; ///< a filter may ask the host: for audits

  /// Asks the kernel.
  static abilities of_this_machine() noexcept;
};

/// Checks a policy and makes of it what a worker applies. `where` is in front of members' names in
/// messages: "pool_options::". Throws config_error, which names value, place and remedy; with
/// policy.require also where `has` lacks a part of it.
sandbox_plan compile_policy(const sandbox_policy& policy, const abilities& has,
                            const std::string& where);

/// The plan as it travels, with what it asks for; without bytes: no sandbox.
struct packed_plan {
  std::shared_ptr<const std::vector<std::byte>> bytes = {};
  std::uint32_t asked = 0;                   ///< bits of the features
  std::shared_ptr<sandbox_audit> audit = {}; ///< where to note what is only audited
};

/// compile_policy on this machine.
packed_plan pack_policy(const sandbox_policy& policy, const std::string& where);

} // namespace bulkhead::runtime::sandbox
