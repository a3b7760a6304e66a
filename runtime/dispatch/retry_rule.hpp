#pragma once

#include <bulkhead/failure.hpp>
#include <bulkhead/options.hpp>

#include <chrono>
#include <cstdint>

namespace bulkhead::runtime {

/// Whether an attempt that ended with `f` may be followed by another, if there is one left.
bool may_follow(const retry_policy& policy, const failure& f) noexcept;

/// How long the attempt of this number, 2 or more, waits.
std::chrono::nanoseconds pause_before(const retry_policy& policy, std::uint32_t attempt) noexcept;

} // namespace bulkhead::runtime
