#pragma once

#include <array>
#include <cstdint>
#include <string>

namespace bulkhead {

/// The system call that a sandbox forbade. All of it is what the worker said of itself: printable
/// and bounded, and perhaps a lie.
struct policy_violation {
  std::string call;                            ///< "openat"; empty: the worker could not say
  std::array<std::uint64_t, 6> arguments = {}; ///< as the worker gave them
  std::string target; ///< the file or address that they name, 95 bytes of it: "/etc/passwd",
                      ///< "127.0.0.1:80", "unix:/run/x", "unix:@x"; empty: none
  std::string remedy; ///< what of the policy would allow it: "sandbox.read with the file or its
                      ///< folder"; empty: the worker could not say
};

} // namespace bulkhead
