#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include <nlohmann/json.hpp>

namespace bulkhead::config {

/// The text with control characters and broken UTF-8 escaped, so that no input can steer a
/// terminal. A tab becomes a space.
std::string printable(std::string_view text);

/// How many columns a printable text takes: its characters.
std::size_t columns_of(std::string_view text);

/// The text cut to at most `columns` characters, with "..." where something is missing.
std::string shortened(std::string_view text, std::size_t columns);

/// A JSON value for a message: as written, one line, at most 60 characters.
std::string shown(const nlohmann::json& value);

} // namespace bulkhead::config
