#pragma once

#include "runtime/process/child.hpp"

#include <bulkhead/failure.hpp>

#include <signal.h>

namespace bulkhead::runtime {

/// What is known of a worker's end, as the closed set of causes. `asked` is why the host ended it,
/// none where it did not; the first cause wins.
inline exit_status classify_exit(const child_exit& exit, exit_cause asked, bool was_ready) {
  exit_status status;
  status.code = exit.code;
  status.signal = exit.signal;
  if (asked != exit_cause::none)
    status.cause = asked;
  else if (!exit.known)
    status.cause = exit_cause::unknown;
  else if (!exit.start_error.empty() || !exit.started)
    status.cause = exit_cause::start_failed;
  else
    switch (exit.signal) {
    case 0:
      status.cause = was_ready ? exit_cause::exited : exit_cause::start_failed;
      break;
    case SIGSEGV:
    case SIGBUS:
    case SIGFPE:
    case SIGILL:
    case SIGABRT:
    case SIGTRAP:
      status.cause = exit_cause::crashed;
      break;
    case SIGSYS:
      status.cause = exit.sandboxed ? exit_cause::policy_violation : exit_cause::crashed;
      break;
    case SIGXCPU:
      status.cause = exit_cause::cpu_limit;
      break;
    default:
      status.cause = exit_cause::killed;
    }
  return status;
}

} // namespace bulkhead::runtime
