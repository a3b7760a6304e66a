#pragma once

#include "runtime/crash/flight_recorder.hpp"

#include <array>
#include <cstdint>
#include <optional>
#include <string>

namespace bulkhead::runtime {

/// A system call that was not made.
struct forbidden_call {
  long number = 0;
  std::array<std::uint64_t, 6> arguments{};
  std::string target; ///< the file or address that it names; may be empty
};

/// What a dead worker's flight recorder says. Printable and bounded (16 KiB each).
struct crash_report {
  int signal = 0;        ///< that the worker recorded; 0: none. The exit status knows better
  std::string backtrace; ///< innermost first, one frame a line; empty without a crash
  std::string log;       ///< last lines, "stack overflow" and the terminating exception in it
  bool stack_overflow = false;
  std::optional<forbidden_call> call; ///< that a sandbox forbade
};

/// Trusts nothing in the record, which its worker may have filled with anything: copies it once,
/// checks it, and takes names only from the files that this process has loaded itself. Thread-safe.
/// Takes milliseconds for the first crash at a place, bounded by 200 ms (then lines and inlined
/// functions are left out); a place seen before is in a cache. Uses no network.
crash_report read_crash(const flight_recorder& from) noexcept;

/// Its log alone, also of a worker that lives. Printable. Throws std::bad_alloc.
std::string read_log(const flight_recorder& from);

} // namespace bulkhead::runtime
