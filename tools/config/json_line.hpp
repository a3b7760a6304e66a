#pragma once

#include "tools/config/job.hpp"

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace bulkhead::config {

/// What stands in one line of a JSON lines file.
struct json_line {
  std::optional<json> value;  ///< empty: a wrong line, or a blank one
  std::vector<problem> wrong; ///< why there is none, with the place; blank: nothing
};

/// Reads a line as a configuration is read: numbers exact or refused, at most 32 levels, UTF-8. The
/// places say `number`. A byte order mark before the first line is dropped.
json_line read_json_line(std::uint64_t number, std::string_view text);

/// Whether a line holds nothing but spaces and tabs. Such lines of JSON lines are no inputs.
bool is_blank(std::string_view line) noexcept;

/// Calls `visit` with the number of each line that is not blank, its text and what stands in it,
/// for the first `most` lines of a regular file. False where the file is none, or cannot be read.
bool visit_json_lines(
  const std::filesystem::path& file, std::size_t most, std::size_t most_bytes,
  const std::function<void(std::uint64_t, const std::string&, json_line)>& visit);

/// "line 3, column 8: a comma stands before the closing }: {"a": 1,}; expected ...; remedy ...".
std::string one_line(const problem& p, std::string_view text);

} // namespace bulkhead::config
