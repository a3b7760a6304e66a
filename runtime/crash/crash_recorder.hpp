#pragma once

#include "runtime/crash/crash_log.hpp"
#include "runtime/crash/flight_recorder.hpp"

#include <csignal>

namespace bulkhead::runtime {

/// What the host sends a worker that it ends for what it does: the worker leaves the stack of its
/// main thread in the record and ends itself by SIGKILL. Linux itself never sends it. Whoever
/// blocks it, or is stopped, leaves no stack, so SIGKILL must follow.
inline constexpr int last_words_signal = SIGSTKFLT;

/// In a worker process, once, at its start, on its main thread: from now on a crash signal
/// (SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGSYS, SIGTRAP) leaves signal, fault address, code
/// addresses and a line of log in `into`, on a signal stack of its own, and then ends the process
/// with that same signal; std::terminate leaves the exception's type and text; last_words_signal
/// leaves code addresses and ends the process with SIGKILL. A handler that was installed before (a
/// sanitizer's) runs after the recording. A task that installs handlers of its own takes them over.
/// Children that tasks fork record nothing. `into` must outlive all threads.
void install_crash_recorder(flight_recorder& into) noexcept;

} // namespace bulkhead::runtime
