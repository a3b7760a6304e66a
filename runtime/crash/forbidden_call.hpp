#pragma once

#include "runtime/crash/flight_recorder.hpp"
#include "runtime/crash/machine_context.hpp"

#include <signal.h>

namespace bulkhead::runtime {

/// True for the SIGSYS of a sandbox's filter, in place of which a system call was not made.
bool is_forbidden_call(int signal, const siginfo_t& about) noexcept;

/// Notes number, arguments and file name of that call. Async-signal-safe.
void record_forbidden_call(const siginfo_t& about, const machine_context& at,
                           flight_recorder& into) noexcept;

} // namespace bulkhead::runtime
