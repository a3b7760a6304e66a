#pragma once

#include "runtime/crash/crash_report.hpp"

#include <bulkhead/failure.hpp>

#include <cstddef>
#include <string>

namespace bulkhead::runtime {

/// Bytes of what a process printed last that go into a failure.
inline constexpr std::size_t failure_tail = 4096;

/// What a crash adds to the message of whoever it hit.
struct crash_words {
  std::string how; ///< behind the exit status: " (stack overflow)", or nothing
  std::string why; ///< at the end: ": it made the system call ...", or nothing
};

/// Gives the failure of a process that ended as `f.exit` says the backtrace and the last lines of
/// the report.
crash_words tell_crash(failure& f, const crash_report& crash);

} // namespace bulkhead::runtime
