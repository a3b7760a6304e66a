#pragma once

#include "actors/caf/verbs.hpp"

#include <caf/actor_system_config.hpp>
#include <caf/io/middleman.hpp>
#include <caf/typed_actor.hpp>

namespace bulkhead::tests {

// What tests spell for the CAF that they are built with.

/// The inspect function of a type with these members.
template <class Inspector, class T, class... Members>
auto inspect_members(Inspector& f, [[maybe_unused]] T& object, Members&... members) {
#if BULKHEAD_CAF_0
  return f(members...);
#else
  return f.object(object).fields(f.field("member", members)...);
#endif
}

/// The signature of a typed actor that answers In with Out.
#if BULKHEAD_CAF_0
template <class Out, class... In>
using answers = typename caf::replies_to<In...>::template with<Out>;
#else
template <class Out, class... In>
using answers = caf::result<Out>(In...);
#endif

/// Two scheduler threads that sleep when idle.
inline void two_threads(caf::actor_system_config& config) {
#if BULKHEAD_CAF_0
  config.set("scheduler.max-threads", 2);
  config.set("scheduler.policy", caf::atom("sharing"));
#else
  config.set("caf.scheduler.max-threads", 2);
  config.set("caf.scheduler.policy", "sharing");
#endif
}

inline void load_middleman(caf::actor_system_config& config) {
#if !BULKHEAD_CAF_0
  caf::io::middleman::init_global_meta_objects();
#endif
  config.load<caf::io::middleman>();
}

/// What a handler returns that never answers. CAF 1.x answers for a promise that is dropped, so the
/// actor keeps it.
template <class Self>
auto never_answer(Self* self) {
  auto promise = self->make_response_promise();
  self->attach_functor([promise] {});
  return promise;
}

} // namespace bulkhead::tests
