#pragma once

#include "actors/host/actor_hub.hpp"

#include <bulkhead/detail/pool_core.hpp>

#include <caf/actor.hpp>

#include <memory>

namespace bulkhead::actors {

/// The actor of a task pool: takes (std::string task, args...), dispatches in the sender's thread,
/// answers with the result or an error that carries the whole failure. An exit message with a
/// reason ends the pool.
caf::actor make_task_pool_actor(std::shared_ptr<actor_hub> hub,
                                const std::shared_ptr<detail::pool_core>& core);

/// Fires its monitors and links: the pool has ended.
void end_task_pool_actor(const caf::actor& pool_actor) noexcept;

} // namespace bulkhead::actors
