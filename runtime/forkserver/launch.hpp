#pragma once

#include "runtime/process/child.hpp"
#include "runtime/process/launch_request.hpp"
#include "runtime/system/launch_error.hpp"

#include <chrono>
#include <memory>

namespace bulkhead::runtime {

class forkserver;

/// How long a launch may take, two forkservers that do not answer for 5 s among it.
inline constexpr std::chrono::seconds launch_patience{10};

/// Starts a process and returns when it exists. `on_exit` runs exactly once on the runtime thread:
/// after the process has ended and its status is known, or 100 ms after its end if nobody could
/// learn it. A forkserver that died is replaced, one that does not answer for 5 s is killed and
/// replaced, and the launch is tried once more; a private one is not replaced.
/// Throws launch_error (nothing is left of the attempt), and config_error for requests that can
/// never work, without init, or in a forked copy.
std::shared_ptr<child> launch(const launch_request& request, child::exit_handler on_exit,
                              std::chrono::steady_clock::time_point deadline);

/// A private forkserver that is a copy of the host as it is now, for start_method::fork. Refused
/// (launch_error) with their names when the host has threads that are not the library's.
/// It ends with its last holder and its last worker.
std::shared_ptr<forkserver> copy_host();

} // namespace bulkhead::runtime
