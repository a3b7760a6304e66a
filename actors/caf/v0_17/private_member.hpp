#pragma once

#include <caf/actor_system.hpp>
#include <caf/proxy_registry.hpp>
#include <caf/scheduled_actor.hpp>

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

/// `exception_handler_` is protected: a derived class may name it.
struct opened_actor : caf::scheduled_actor {
  static constexpr auto member = &opened_actor::exception_handler_;
};
inline caf::scheduled_actor::exception_handler& handler_of(caf::scheduled_actor& actor) {
  return actor.*opened_actor::member;
}

} // namespace bulkhead::actors::detail_0_17
