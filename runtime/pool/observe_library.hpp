#pragma once

#include <bulkhead/detail/pool_core.hpp>

#include <memory>

namespace bulkhead::runtime {

/// Where pool_options::observe or BULKHEAD_OBSERVE=1 ask for it: has bulkhead::observe, the library
/// in the program or that beside this one, show the pool to `bulkhead top` and its kin. What stands
/// in the way of the option is a config_error; of the variable it is told on standard error, and
/// the pool works as without it.
void observe_if_asked(const std::shared_ptr<detail::pool_core>& core);

} // namespace bulkhead::runtime
