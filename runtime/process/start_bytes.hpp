#pragma once

#include "runtime/process/launch_message.hpp"
#include "runtime/system/unique_fd.hpp"

#include <cstddef>
#include <span>

namespace bulkhead::runtime {

/// An anonymous file with these bytes, for start data too large for a packet. Throws launch_error.
unique_fd start_file(std::span<const std::byte> bytes);

/// Maps such a file for reading, for the life of the process. Throws launch_error.
std::span<const std::byte> map_start_file(int file, std::size_t bytes);

/// Modules, plan and start bytes of a request that has them in `file`.
inline std::span<const std::byte> map_rest(const unique_fd& file, const request_head& head) {
  return map_start_file(file.get(),
                        std::size_t{head.modules_bytes} + head.plan_bytes + head.start_bytes);
}

} // namespace bulkhead::runtime
