#pragma once

#include <bulkhead/detail/function_ref.hpp>

#include <caf/message.hpp>

#include <cstdint>
#include <cstring>

namespace bulkhead::actors {

/// What makes an actor in a worker: a stub that knows the types, the behaviour where that is a
/// function pointer, and the arguments.
struct spawn_request {
  detail::function_ref stub;
  detail::function_ref behavior; ///< {0, 0}: the stub's type says it all
  caf::message args;
};

/// The fixed part of a spawn frame's body; the encoded arguments follow.
struct spawn_head {
  detail::function_ref stub;
  detail::function_ref behavior;
};
static_assert(sizeof(spawn_head) == 32);

} // namespace bulkhead::actors
