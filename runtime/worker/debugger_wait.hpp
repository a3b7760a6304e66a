#pragma once

#include <bulkhead/detail/function_ref.hpp>

#include <cstddef>
#include <span>

namespace bulkhead::runtime {

/// Where BULKHEAD_WAIT_FOR_DEBUGGER is the name of the function that is about to be called, as
/// pages and reports show it: says on standard error which process to attach a debugger to, and
/// waits until one is. `callable`: of the frame. From the thread of the task.
void wait_for_debugger(const detail::function_ref& stub, std::span<const std::byte> callable);

} // namespace bulkhead::runtime
