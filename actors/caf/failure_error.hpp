#pragma once

#include <bulkhead/failure.hpp>

#include <caf/error.hpp>

#include <optional>

namespace bulkhead::actors {

/// The whole failure as a CAF error: what requests, monitors and links get.
caf::error to_error(const failure& f);

/// The failure inside such an error; empty for errors of other origin.
std::optional<failure> failure_of(const caf::error& reason);

/// The failure of everything that a dead worker left behind.
failure death_of(pid_t worker, const exit_status& status, bool may_have_executed);

} // namespace bulkhead::actors
