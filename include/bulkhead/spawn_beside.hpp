#pragma once

#include <bulkhead/actors/spawn_stub.hpp>
#include <bulkhead/names.hpp>

#include <string>
#include <utility>

namespace bulkhead {

/// For actors in workers: starts an actor in the least busy worker of the pool in which `self`
/// lives, as pool::spawn does in the host. `behavior`: the name under which BULKHEAD_ACTOR has
/// registered it; `xs`: its arguments. Answer (as in names.hpp, through then()): a caf::actor, or
/// an error that says why there is none. The actor lives as one that the host has started: until
/// it ends, its worker does, or nobody has a handle of it; it does not end with `self`. At most
/// 4096 of them live at a time for each worker that asks. Not for actors of a spawn_pool.
template <class Self, class... Ts>
auto spawn_beside(Self* self, const std::string& behavior, Ts&&... xs) {
  return detail::ask_names(self, "bulkhead.spawn", behavior,
                           detail::spawn_argument_t<Ts>(std::forward<Ts>(xs))...);
}

} // namespace bulkhead
