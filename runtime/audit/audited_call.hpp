#pragma once

#include "runtime/sandbox/named_places.hpp"

#include <array>
#include <cstdint>
#include <string>

namespace bulkhead::runtime::audit {

/// A system call of an audited worker, as its policy is asked about it. A plain value.
struct audited_call {
  long number = 0;
  std::array<std::uint64_t, 6> arguments{};
  std::uint32_t process = 0; ///< that made it
  sandbox::place_use use = sandbox::place_use::look;
  std::string target;     ///< the file, absolute and without links, or the address; may be empty
  std::uint16_t port = 0; ///< of an address; 0: it has none
};

} // namespace bulkhead::runtime::audit
