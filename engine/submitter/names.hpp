#pragma once

#include "engine/courier/settings.hpp"

#include <bulkhead/rabbitmq.hpp>

#include <chrono>
#include <cstdint>
#include <string>

namespace bulkhead::engine {

/// "PREFIX.HOST.PID.RANDOM": of one life of one process, never the same again.
std::string unique_name(const std::string& prefix);

/// How often the connection shows that it lives, in seconds, so that its end is known before a
/// lease is over.
std::uint32_t heartbeat_of(std::chrono::nanoseconds lease) noexcept;

/// How long a first connection may take.
inline constexpr std::chrono::seconds connect_patience{30};

/// Of a connection with a queue of its own; how often it shows that it lives is the caller's.
courier_settings settings_of(const rabbitmq& engine, const std::string& own_queue);

/// Throws config_error for a member that cannot be.
void check(const rabbitmq& engine);

/// Throws config_error for an option of a pool that has no effect with an engine.
void check_for_engine(const pool_options& options);

} // namespace bulkhead::engine
