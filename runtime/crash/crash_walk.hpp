#pragma once

#include "runtime/crash/flight_recorder.hpp"
#include "runtime/crash/machine_context.hpp"

namespace bulkhead::runtime {

/// Loads and initialises the unwinder, so that walk_crash needs nothing but registers and stack.
void warm_unwinder() noexcept;

/// Writes the interrupted thread's code addresses, innermost first, one by one, so that what is
/// written stays valid if the walk itself crashes on a broken stack. Frames below the innermost are
/// recorded with the address of the call, not of what it returns to. Async-signal-safe.
void walk_crash(machine_context interrupted, flight_recorder& into) noexcept;

} // namespace bulkhead::runtime
