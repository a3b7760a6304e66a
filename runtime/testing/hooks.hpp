#pragma once

// Named points of the protocol. In builds with BULKHEAD_HOOKS a test can make the process die, stop
// or wait exactly there; in all others they are nothing.

#if defined(BULKHEAD_HOOKS) && BULKHEAD_HOOKS
#  include <bulkhead/testing/hooks.hpp>
#  define BULKHEAD_HOOK(point) ::bulkhead::testing::reach_hook(point)
#else
#  define BULKHEAD_HOOK(point) static_cast<void>(0)
#endif
