#pragma once

#include <bulkhead/names.hpp>

#include <string>

namespace bulkhead {

/// Hands a snapshot of its state to the host, which gives it to the next incarnation of the asking
/// actor: a supervised child in a worker with child_spec::state_limit. Answer (as in names.hpp,
/// through then()): an empty message once the host holds it in place of the one before, or an error
/// that says why it does not. What was acknowledged survives the end of the worker, whatever ends
/// it; not that of the host, nor the child's own removal (a temporary child's end, delete_child, a
/// supervisor that gives up and is started again).
///
/// A behaviour that answers a write only when the snapshot with it is acknowledged loses no write
/// that it has answered. What it did since the last acknowledged snapshot may be lost, and was
/// answered to nobody. Not while the actor starts: from its first message on.
template <class Self>
auto keep_state(Self* self, const std::string& snapshot) {
  return detail::ask_names(self, "bulkhead.keep", snapshot);
}

} // namespace bulkhead
