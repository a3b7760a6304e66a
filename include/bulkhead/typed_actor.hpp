#pragma once

#include <bulkhead/actor.hpp>

#include <caf/actor_cast.hpp>
#include <caf/typed_actor.hpp>
#include <caf/typed_behavior.hpp>

#include <type_traits>
#include <utility>

// Handles of typed behaviours: messages that such an actor does not take are errors of the
// compiler, wherever it lives.

namespace bulkhead {

namespace detail {

template <class Result>
struct handle_of_result {
  static_assert(sizeof(Result) == 0,
                "bulkhead: this behaviour is not typed: it returns no caf::typed_behavior; use "
                "pool::spawn, which gives a caf::actor");
};
template <class... Signatures>
struct handle_of_result<caf::typed_behavior<Signatures...>> {
  using type = caf::typed_actor<Signatures...>;
};

template <class R, class... Ts>
R result_of_behavior(R (*)(Ts...));

} // namespace detail

/// The handle of a typed behaviour: a function or a captureless lambda that returns a
/// caf::typed_behavior.
template <class Behavior>
using handle_of = typename detail::handle_of_result<decltype(detail::result_of_behavior(
  +std::declval<Behavior>()))>::type;

/// As pool::spawn, of a typed behaviour: an optional placement first, then its arguments.
template <class Behavior, class... Args>
  requires(!std::is_same_v<Behavior, placement>)
handle_of<Behavior> spawn_typed(pool& workers, Behavior behavior, Args&&... args) {
  return caf::actor_cast<handle_of<Behavior>>(workers.spawn(behavior, std::forward<Args>(args)...));
}
template <class Behavior, class... Args>
handle_of<Behavior> spawn_typed(pool& workers, const placement& where, Behavior behavior,
                                Args&&... args) {
  return caf::actor_cast<handle_of<Behavior>>(
    workers.spawn(where, behavior, std::forward<Args>(args)...));
}

/// A handle of other origin (a supervised child, spawn_pool, whereis) as that of its behaviour,
/// which the caller knows: nothing is checked now, and every message from now on.
template <class Behavior>
handle_of<Behavior> as_typed(const caf::actor& actor, Behavior) {
  return caf::actor_cast<handle_of<Behavior>>(actor);
}

} // namespace bulkhead
