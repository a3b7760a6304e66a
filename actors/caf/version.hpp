#pragma once

// Decides once which CAF this is. Nothing outside actors/caf/ asks.

#include <caf/config.hpp>
#include <caf/fwd.hpp>

#include <cstddef>
#include <vector>

#if !defined(CAF_VERSION_MAJOR)
#  define BULKHEAD_CAF_0 1 // 0.17
#elif __has_include(<caf/detail/actor_system_impl.hpp>)
#  error "this CAF is newer than 1.1: actors/caf/ does not know its actor_system yet"
#else
#  define BULKHEAD_CAF_0 0 // 1.0, 1.1
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
