#pragma once

#include <bulkhead/options.hpp>

namespace bulkhead::runtime {

/// Throws config_error that names the value, the allowed range and the fix; else fills in the
/// defaults that depend on the machine.
pool_options checked(pool_options options);

/// The same for a number of workers, against the limits on descriptors and processes.
void check_worker_count(std::size_t workers);

} // namespace bulkhead::runtime
