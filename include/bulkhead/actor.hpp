#pragma once

#include <bulkhead/actor_error.hpp>
#include <bulkhead/actor_options.hpp>
#include <bulkhead/actors/spawn_stub.hpp>
#include <bulkhead/message.hpp>
#include <bulkhead/placement.hpp>
#include <bulkhead/pool.hpp>

#include <caf/actor.hpp>
#include <caf/actor_cast.hpp>

#include <chrono>
#include <concepts>
#include <memory>
#include <optional>
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
                           const shipped_behavior& what, caf::message args,
                           const actor_options& how = {});

/// Throws config_error for a time below zero.
actor_options checked(actor_options options);

/// The behaviour registered under a name by BULKHEAD_ACTOR. Throws config_error.
shipped_behavior find_behavior(const std::string& name);

template <class Behavior, class... Args>
caf::actor spawn_at(const std::shared_ptr<pool_core>& core, const actor_options& how,
                    const placement& where, const Behavior& behavior, Args&&... args) {
  if constexpr (std::is_convertible_v<const Behavior&, std::string>) {
    auto named = how;
    if (named.name.empty())
      named.name = behavior;
    return spawn_in_worker(core, where, find_behavior(behavior),
                           spawn_arguments(std::forward<Args>(args)...), named);
  } else {
    return spawn_in_worker(core, where, ship_behavior<Behavior, Args...>(behavior),
                           spawn_arguments(std::forward<Args>(args)...), how);
  }
}

template <class Behavior, class... Args>
caf::actor spawn_anywhere(const std::shared_ptr<pool_core>& core, const actor_options& how,
                          const Behavior& behavior, Args&&... args) {
  if constexpr (std::is_same_v<Behavior, placement>)
    return spawn_at(core, how, behavior, std::forward<Args>(args)...);
  else
    return spawn_at(core, how, placement{}, behavior, std::forward<Args>(args)...);
}

template <class Class, class... Args>
caf::actor spawn_class_in(const std::shared_ptr<pool_core>& core, const actor_options& how,
                          const placement& where, Args&&... args) {
  shipped_behavior what;
  what.stub = to_ref(reinterpret_cast<const void*>(&spawn_class<Class, spawn_argument_t<Args>...>));
  return spawn_in_worker(core, where, what, spawn_arguments(std::forward<Args>(args)...), how);
}

template <class Class>
caf::actor spawn_class_at(const std::shared_ptr<pool_core>& core, const actor_options& how) {
  return spawn_class_in<Class>(core, how, placement{});
}
template <class Class, class First, class... Args>
caf::actor spawn_class_at(const std::shared_ptr<pool_core>& core, const actor_options& how,
                          First&& first, Args&&... args) {
  if constexpr (std::is_same_v<std::decay_t<First>, placement>)
    return spawn_class_in<Class>(core, how, first, std::forward<Args>(args)...);
  else
    return spawn_class_in<Class>(core, how, placement{}, std::forward<First>(first),
                                 std::forward<Args>(args)...);
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
  return detail::spawn_anywhere(core_, actor_options{}, behavior, std::forward<Args>(args)...);
}

// An actor class: an optional placement first here too, then the arguments of its constructor.
template <class Class, class... Args>
caf::actor pool::spawn(Args&&... args) {
  return detail::spawn_class_at<Class>(core_, actor_options{}, std::forward<Args>(args)...);
}

/// A pool seen through actor options; made by pool::with, valid as long as the pool. spawn() as
/// pool::spawn. Thread-safe.
class actor_view {
public:
  actor_view(std::shared_ptr<detail::pool_core> core, actor_options options)
    : core_(std::move(core)), options_(std::move(options)) {}

  template <class Behavior, class... Args>
  caf::actor spawn(Behavior behavior, Args&&... args) const {
    return detail::spawn_anywhere(core_, options_, behavior, std::forward<Args>(args)...);
  }
  template <class Class, class... Args>
  caf::actor spawn(Args&&... args) const {
    return detail::spawn_class_at<Class>(core_, options_, std::forward<Args>(args)...);
  }

private:
  std::shared_ptr<detail::pool_core> core_;
  actor_options options_;
};

template <std::same_as<actor_options> Options>
actor_view pool::with(Options options) const {
  return {core_, detail::checked(std::move(options))};
}

/// Ends an actor of a worker whatever it does: it gets an exit message with exit_reason::kill,
/// before what waits in its mailbox. Where it has not ended within `grace` (pool_options::grace
/// where empty) its worker process is killed: its monitors, links and pending requests get a
/// failure with the cause `killed`, those of the other actors in that worker one with
/// `neighbour_killed`. Returns at once; an actor that has ended already is left alone. On what
/// spawn_pool returns it ends all instances, as their exit message does. Thread-safe. Throws
/// config_error for an empty handle, an actor of the calling process, a time below zero, and
/// outside the host.
void kill(const caf::actor& actor, std::optional<std::chrono::nanoseconds> grace = {});

} // namespace bulkhead
