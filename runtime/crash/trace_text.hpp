#pragma once

#include <bulkhead/code_trace.hpp>

#include <span>
#include <string>

namespace bulkhead::runtime {

/// Names of code, innermost first, one frame a line; at most 16 KiB. Thread-safe. The first look at
/// a place takes milliseconds, bounded by 200 ms a call (then lines and inlined functions are left
/// out); a place seen before is in a cache. Uses no network. Throws std::exception where there is
/// no memory or no lock.
std::string trace_text(std::span<const code_trace::frame> frames);

/// The same for the stack of a throw, without the frames of the machinery that throws.
std::string throw_text(std::span<const code_trace::frame> frames);

} // namespace bulkhead::runtime
