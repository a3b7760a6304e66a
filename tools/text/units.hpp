#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace bulkhead::config {

inline constexpr auto longest_time = std::chrono::hours{24 * 365};

/// A time as written in a text: a number and ns, us, ms, s, min, h or d ("1.5s"). Empty where it
/// is none, is negative, or exceeds a year.
std::optional<std::chrono::nanoseconds> parse_time(std::string_view text);

/// The same for a number of seconds.
std::optional<std::chrono::nanoseconds> time_of_seconds(double seconds);

/// A size as written in a text: a number and B, KiB, MiB, GiB, TiB, KB, MB, GB or TB. Empty where
/// it is none, is negative, is no whole number of bytes, or exceeds 2^53.
std::optional<std::uint64_t> parse_bytes(std::string_view text);

/// The shortest exact text: "100ms", "2s", "0s".
std::string time_text(std::chrono::nanoseconds time);

/// The shortest exact text in binary units: "1MiB", "1500B".
std::string bytes_text(std::uint64_t bytes);

} // namespace bulkhead::config
