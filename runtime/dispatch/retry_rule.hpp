#pragma once

#include <bulkhead/failure.hpp>
#include <bulkhead/options.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>

namespace bulkhead::runtime {

/// How many further attempts a task has, and what rules them: its own options (null: none), or,
/// where they say nothing, its pool's.
std::size_t retries_of(const task_options* own, const pool_options& pool) noexcept;
const retry_policy& policy_of(const task_options* own, const pool_options& pool) noexcept;

/// Whether an attempt that ended with `f` may be followed by another, if there is one left.
bool may_follow(const retry_policy& policy, const failure& f) noexcept;

/// How long the attempt of this number, 2 or more, waits.
std::chrono::nanoseconds pause_before(const retry_policy& policy, std::uint32_t attempt) noexcept;

} // namespace bulkhead::runtime
