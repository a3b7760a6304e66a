#pragma once

#include "runtime/crash/flight_recorder.hpp"

namespace bulkhead::runtime {

/// From now on std::terminate first writes the current exception's type and text to the log, then
/// calls the handler that was set before.
void record_terminate(flight_recorder& into) noexcept;

} // namespace bulkhead::runtime
