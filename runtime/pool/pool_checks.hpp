#pragma once

#include <bulkhead/options.hpp>

#include <chrono>

namespace bulkhead::runtime {

/// Longer time limits are taken for this one, so that times can be added without overflow.
inline constexpr std::chrono::nanoseconds longest_limit = std::chrono::hours{24 * 365 * 50};

/// Throws config_error that names the value, the allowed range and the fix; else fills in the
/// defaults that depend on the machine.
pool_options checked(pool_options options);

/// The same for a number of workers, against the limits on descriptors and processes.
void check_worker_count(std::size_t workers);

} // namespace bulkhead::runtime
