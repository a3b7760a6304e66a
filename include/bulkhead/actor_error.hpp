#pragma once

#include <bulkhead/failure.hpp>

#include <caf/fwd.hpp>

#include <optional>

namespace bulkhead {

/// How the process behind a down reason, an exit reason or an error answer ended; empty where the
/// error has another origin or no process ended.
std::optional<exit_status> exit_status_of(const caf::error& reason);

/// The whole failure inside an error of this library; empty for errors of other origin.
std::optional<failure> failure_of(const caf::error& reason);

} // namespace bulkhead
