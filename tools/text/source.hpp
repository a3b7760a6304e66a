#pragma once

#include "tools/text/problem.hpp"

#include <filesystem>
#include <optional>
#include <string>

namespace bulkhead::config {

inline constexpr std::size_t most_file_bytes = std::size_t{1} << 20;

/// Reads a configuration file: a regular file of at most 1 MiB of UTF-8 without NUL bytes. A byte
/// order mark is dropped. Reads at most 1 MiB + 1 byte whatever the file claims, and never waits
/// for a FIFO or a device. Empty, with the problem added, where the file cannot be used.
std::optional<std::string> read_source(const std::filesystem::path& file, problems& found);

/// What kind of thing a path is, for messages: "a directory", "a FIFO".
std::string kind_of(std::filesystem::file_type type);

} // namespace bulkhead::config
