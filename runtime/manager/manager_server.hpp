#pragma once

#include <bulkhead/detail/manager_link.hpp>

namespace bulkhead::runtime {

/// The function of a manager's process: serves every line that comes in through `inside`, in a
/// thread of its own, until the process ends. Who enters by serve_at's address gets `outside`, the
/// other end of that door. Nothing that a client sends ends it.
void serve_managed(detail::manager_door inside, const detail::manager_door& outside);

} // namespace bulkhead::runtime
