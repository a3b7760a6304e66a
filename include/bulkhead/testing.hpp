#pragma once

/// The testing kit: deterministic runs of behaviours in virtual time, and pools of real workers
/// with faults. Knows no test framework: what is not as expected is thrown as
/// bulkhead::testing::expectation_failed, and the macros at the end make doctest's checks of it.

#include <bulkhead/testing/deterministic.hpp>
#include <bulkhead/testing/faults.hpp>
#include <bulkhead/testing/leak_guard.hpp>

/// doctest: the next message for an actor is this one, and is processed now.
///     BULKHEAD_EXPECT(world, to, 1, std::string{"two"});
#define BULKHEAD_EXPECT(world, ...) CHECK_NOTHROW((world).expect(__VA_ARGS__))
/// doctest: no message like this is next for the actor.
#define BULKHEAD_DISALLOW(world, ...) CHECK_NOTHROW((world).disallow(__VA_ARGS__))
