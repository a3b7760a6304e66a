#pragma once

#include "runtime/system/unique_fd.hpp"

#include <cstddef>
#include <span>

namespace bulkhead::runtime {

/// An anonymous file with these bytes, for start data too large for a packet. Throws launch_error.
unique_fd start_file(std::span<const std::byte> bytes);

/// Maps such a file for reading, for the life of the process. Throws launch_error.
std::span<const std::byte> map_start_file(int file, std::size_t bytes);

} // namespace bulkhead::runtime
