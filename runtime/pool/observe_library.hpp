#pragma once

#include <bulkhead/detail/pool_core.hpp>

#include <memory>

namespace bulkhead::runtime {

/// Where BULKHEAD_OBSERVE=1 is in the environment: loads libbulkhead_observe from beside this
/// library and lets it show the pool to `bulkhead top` and its kin. What stands in the way is told
/// on standard error, and the pool works as without it.
void observe_if_asked(const std::shared_ptr<detail::pool_core>& core) noexcept;

} // namespace bulkhead::runtime
