#include "runtime/this_process/own_process.hpp"

#include <bulkhead/detail/pool_core.hpp>

namespace bulkhead::detail {

pool_core::pool_core() noexcept : made_in_(runtime::own_process::identity()) {}

bool pool_core::is_of_own_process() const noexcept { return runtime::own_process::is(made_in_); }

void pool_core::require_own_process() const { runtime::own_process::require(made_in_); }

} // namespace bulkhead::detail
