#pragma once

#include "runtime/crash/flight_recorder.hpp"

#include <string_view>

namespace bulkhead::runtime {

/// Appends a line to the recorder's log, which keeps the last 2 KiB, whole lines as far as they
/// fit. Async-signal-safe. Thread-safe, but for a crash in the middle of another line, which may
/// then be torn.
void record_log_line(flight_recorder& into, std::string_view line) noexcept;

} // namespace bulkhead::runtime
