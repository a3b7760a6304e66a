#pragma once

#include <bulkhead/rabbitmq.hpp>

#include <cstdint>
#include <string>

namespace bulkhead::engine {

/// "PREFIX.HOST.PID.RANDOM": of one life of one process, never the same again.
std::string unique_name(const std::string& prefix);

/// How often the connection shows that it lives, in seconds, so that its end is known before a
/// lease is over.
std::uint32_t heartbeat_of(std::chrono::nanoseconds lease) noexcept;

/// Throws config_error for a member that cannot be.
void check(const rabbitmq& engine);

/// Throws config_error for an option of a pool that has no effect with an engine.
void check_for_engine(const pool_options& options);

} // namespace bulkhead::engine
