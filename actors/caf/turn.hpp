#pragma once

#include "actors/caf/proxy.hpp"
#include "actors/caf/turn_listener.hpp"

#include <caf/resumable.hpp>
#include <caf/scheduled_actor.hpp>

namespace bulkhead::actors {

/// Runs a job once, as `resume`, and tells the listener where it is an actor's.
template <class Resume>
caf::resumable::resume_result run_turn(caf::resumable* job, turn_listener* listener,
                                       Resume resume) {
  if (listener == nullptr || job->subtype() != caf::resumable::scheduled_actor)
    return resume();
  auto& actor = *static_cast<caf::scheduled_actor*>(job);
  if (!actor.getf(caf::abstract_actor::is_registered_flag))
    return resume(); // one of CAF's own
  const auto id = actor.id();
  listener->begins(id);
  const auto result = resume();
  // Who waits for a message has none; asking its mailbox would undo its sleep.
  const bool more = result == caf::resumable::resume_later;
  const bool lives = result != caf::resumable::done && !proxy_base::terminated(&actor);
  if (listener->ends(id, actor.name(), more && lives ? actor.mailbox().size() : 0))
    at_exit(caf::strong_actor_ptr{actor.ctrl()},
            [listener, id](const caf::error&) { listener->gone(id); });
  return result;
}

} // namespace bulkhead::actors
