#pragma once

#include <caf/actor_system.hpp>
#include <caf/proxy_registry.hpp>

// Two members of CAF 0.17 that it lets nobody touch. An explicit instantiation may name a private
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

} // namespace bulkhead::actors::detail_0_17
