#pragma once

// What one CAF calls otherwise than the other. Nothing outside actors/caf/ asks which one it is.

#include <bulkhead/actors/type_number.hpp>

#include <cstddef>
#include <vector>

#if !BULKHEAD_CAF_0
#  if __has_include(<caf/detail/actor_system_impl.hpp>)
#    error "this CAF is newer than 1.1: actors/caf/ does not know its actor_system yet"
#  endif
#  include <caf/byte_buffer.hpp>
#endif

namespace bulkhead::actors {

#if BULKHEAD_CAF_0
/// What runs an actor and is handed to its enqueue; null from foreign threads.
using exec_ctx = caf::execution_unit;
/// What CAF's binary serializer writes into.
using byte_buf = std::vector<char>;
#else
using exec_ctx = caf::scheduler;
using byte_buf = caf::byte_buffer;
#endif

} // namespace bulkhead::actors
