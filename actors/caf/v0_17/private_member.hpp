#pragma once

#include <caf/actor_system.hpp>
#include <caf/proxy_registry.hpp>
#include <caf/scheduled_actor.hpp>

#include <algorithm>

// Members of CAF 0.17 that it lets nobody touch. An explicit instantiation may name a private
// member, and a friend that it defines hands the member out.

namespace bulkhead::actors::detail_0_17 {

template <auto Member>
struct opened_registry {
  friend auto& proxies_of(caf::proxy_registry& registry) { return registry.*Member; }
};
template struct opened_registry<&caf::proxy_registry::proxies_>;
auto& proxies_of(caf::proxy_registry& registry);

template <auto Member>
struct opened_system {
  friend caf::node_id& node_of(caf::actor_system& system) { return system.*Member; }
};
template struct opened_system<&caf::actor_system::node_>;
caf::node_id& node_of(caf::actor_system& system);

/// Protected members: a derived class may name them.
struct opened_actor : caf::scheduled_actor {
  static constexpr auto member = &opened_actor::exception_handler_;
  static constexpr auto current = &opened_actor::current_element_;
  static constexpr auto awaited = &opened_actor::awaited_responses_;
  static constexpr auto multiplexed = &opened_actor::multiplexed_responses_;
};
/// The message that the actor is processing; only its own thread may rely on it.
inline const caf::mailbox_element* current_of(const caf::scheduled_actor& actor) {
  return actor.*opened_actor::current;
}
/// Whether the actor has a handler for this answer; in its own thread only.
inline bool awaits(const caf::scheduled_actor& actor, caf::message_id response) {
  const auto& awaited = actor.*opened_actor::awaited;
  const auto& multiplexed = actor.*opened_actor::multiplexed;
  return multiplexed.find(response) != multiplexed.end()
         || std::any_of(awaited.begin(), awaited.end(),
                        [&](const auto& a) { return a.first == response; });
}
inline caf::scheduled_actor::exception_handler& handler_of(caf::scheduled_actor& actor) {
  return actor.*opened_actor::member;
}

} // namespace bulkhead::actors::detail_0_17
