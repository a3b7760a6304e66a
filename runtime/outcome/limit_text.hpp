#pragma once

#include <chrono>
#include <cstdint>
#include <string>

namespace bulkhead::runtime {

/// "2 s", "1500 ms", "20 us": exact in the largest unit that is.
std::string duration_text(std::chrono::nanoseconds time);

/// "100 MiB", "1500 bytes": exact in the largest unit that is.
std::string size_text(std::uint64_t bytes);

} // namespace bulkhead::runtime
