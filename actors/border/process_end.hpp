#pragma once

#include <caf/error.hpp>
#include <caf/fwd.hpp>

#include <algorithm>
#include <utility>
#include <vector>

namespace bulkhead::actors {

/// Why a process has ended, as those hear it who had to do with its actors.
struct process_end {
  process_end() = default;
  process_end(caf::error why) : reason(std::move(why)) {} // NOLINT: an error is an end

  caf::error reason;
  /// Whose doing it is, where it is the doing of some of its actors: the others have a reason of
  /// their own. Empty: the reason is everybody's.
  std::vector<caf::actor_id> culprits;
  caf::error of_neighbours;

  const caf::error& reason_for(caf::actor_id actor) const noexcept {
    const bool own =
      culprits.empty() || std::find(culprits.begin(), culprits.end(), actor) != culprits.end();
    return own ? reason : of_neighbours;
  }
};

} // namespace bulkhead::actors
