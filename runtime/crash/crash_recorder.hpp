#pragma once

#include "runtime/crash/crash_log.hpp"
#include "runtime/crash/flight_recorder.hpp"

namespace bulkhead::runtime {

/// In a worker process, once, at its start, on its main thread: from now on a crash signal
/// (SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGSYS, SIGTRAP) leaves signal, fault address, code
/// addresses and a line of log in `into`, on a signal stack of its own, and then ends the process
/// with that same signal; std::terminate leaves the exception's type and text. A handler that was
/// installed before (a sanitizer's) runs after the recording. A task that installs handlers of its
/// own takes them over. Children that tasks fork record nothing. `into` must outlive all threads.
void install_crash_recorder(flight_recorder& into) noexcept;

} // namespace bulkhead::runtime
