#include "runtime/this_process/own_process.hpp"

#include <bulkhead/detail/future_core.hpp>

namespace bulkhead::detail {

future_core::future_core() noexcept : made_in_(runtime::own_process::identity()) {}

bool future_core::is_of_own_process() const noexcept { return runtime::own_process::is(made_in_); }

void future_core::require_own_process() const { runtime::own_process::require(made_in_); }

} // namespace bulkhead::detail
