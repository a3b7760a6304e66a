#pragma once

#include <bulkhead/actor_error.hpp>
#include <bulkhead/actors/spawn_stub.hpp>
#include <bulkhead/message.hpp>
#include <bulkhead/placement.hpp>
#include <bulkhead/pool.hpp>

#include <caf/actor.hpp>
#include <caf/actor_cast.hpp>

#include <string>
#include <type_traits>
#include <utility>

namespace bulkhead {

/// Prepares a user's own configuration before the system is made from it: a valid node id (the
/// user's middleman stays), the message types declared with BULKHEAD_MESSAGE, readable errors.
void configure(caf::actor_system_config& config);

namespace detail {

/// Starts the actor in a worker of the pool and waits for it.
caf::actor spawn_in_worker(const std::shared_ptr<pool_core>& core, const placement& where,
                           const shipped_behavior& what, caf::message args);

/// The behaviour registered under a name by BULKHEAD_ACTOR. Throws config_error.
shipped_behavior find_behavior(const std::string& name);

template <class Behavior, class... Args>
caf::actor spawn_at(const std::shared_ptr<pool_core>& core, const placement& where,
                    const Behavior& behavior, Args&&... args) {
  if constexpr (std::is_convertible_v<const Behavior&, std::string>)
    return spawn_in_worker(core, where, find_behavior(behavior),
                           spawn_arguments(std::forward<Args>(args)...));
  else
    return spawn_in_worker(core, where, ship_behavior<Behavior, Args...>(behavior),
                           spawn_arguments(std::forward<Args>(args)...));
}

} // namespace detail

// Actors of one worker share its thread: a behaviour that waits in it keeps all of them waiting. A
// blocking request there (caf::scoped_actor) gets an error at once, a receive without a time-out
// throws std::runtime_error; actors that are to block are spawned by actors of the worker with
// caf::detached.

// An optional placement first, then a behaviour (function, captureless lambda, or the name of a
// registered one), then its arguments.
template <class Behavior, class... Args>
caf::actor pool::spawn(Behavior behavior, Args&&... args) {
  if constexpr (std::is_same_v<Behavior, placement>)
    return detail::spawn_at(core_, behavior, std::forward<Args>(args)...);
  else
    return detail::spawn_at(core_, placement{}, behavior, std::forward<Args>(args)...);
}

template <class Class, class... Args>
caf::actor pool::spawn(Args&&... args) {
  detail::shipped_behavior what;
  what.stub = detail::to_ref(
    reinterpret_cast<const void*>(&detail::spawn_class<Class, detail::spawn_argument_t<Args>...>));
  return detail::spawn_in_worker(core_, placement{}, what,
                                 detail::spawn_arguments(std::forward<Args>(args)...));
}

} // namespace bulkhead
