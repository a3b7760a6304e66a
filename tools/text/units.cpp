#include "tools/text/units.hpp"

#include <array>
#include <charconv>
#include <cmath>

#include <fmt/format.h>

namespace bulkhead::config {

namespace {

struct unit {
  std::string_view name;
  double factor;
};

constexpr std::array time_units{unit{"ns", 1},     unit{"us", 1e3},   unit{"ms", 1e6},
                                unit{"s", 1e9},    unit{"min", 6e10}, unit{"h", 3.6e12},
                                unit{"d", 8.64e13}};
constexpr std::array size_units{unit{"B", 1},
                                unit{"KiB", 1024},
                                unit{"MiB", 1048576},
                                unit{"GiB", 1073741824},
                                unit{"TiB", 1099511627776},
                                unit{"KB", 1e3},
                                unit{"MB", 1e6},
                                unit{"GB", 1e9},
                                unit{"TB", 1e12}};

/// Number and unit, with at most one space between; negative where it is neither.
template <std::size_t N>
double parse(std::string_view text, const std::array<unit, N>& units) {
  double number = -1;
  if (text.empty() || text[0] < '0' || text[0] > '9')
    return -1;
  const auto [end, error] =
    std::from_chars(text.data(), text.data() + text.size(), number, std::chars_format::fixed);
  if (error != std::errc{})
    return -1;
  text.remove_prefix(static_cast<std::size_t>(end - text.data()));
  if (text.starts_with(' '))
    text.remove_prefix(1);
  for (const auto& u : units)
    if (text == u.name)
      return number * u.factor;
  return -1;
}

std::optional<std::chrono::nanoseconds> time_of(double nanoseconds) {
  const auto most = static_cast<double>(std::chrono::nanoseconds{longest_time}.count());
  if (!(nanoseconds >= 0 && nanoseconds <= most))
    return std::nullopt;
  return std::chrono::nanoseconds{std::llround(nanoseconds)};
}

} // namespace

std::optional<std::chrono::nanoseconds> parse_time(std::string_view text) {
  return time_of(parse(text, time_units));
}

std::optional<std::chrono::nanoseconds> time_of_seconds(double seconds) {
  return time_of(seconds * 1e9);
}

std::optional<std::uint64_t> parse_bytes(std::string_view text) {
  const auto bytes = parse(text, size_units);
  if (!(bytes >= 0 && bytes <= 9007199254740992.0) || bytes != std::floor(bytes))
    return std::nullopt;
  return static_cast<std::uint64_t>(bytes);
}

std::string time_text(std::chrono::nanoseconds time) {
  constexpr std::array exact{std::pair{"h", 3'600'000'000'000L}, std::pair{"min", 60'000'000'000L},
                             std::pair{"s", 1'000'000'000L}, std::pair{"ms", 1'000'000L},
                             std::pair{"us", 1'000L}};
  const auto count = time.count();
  if (count == 0)
    return "0s";
  for (const auto& [name, factor] : exact)
    if (count % factor == 0)
      return fmt::format("{}{}", count / factor, name);
  return fmt::format("{}ns", count);
}

std::string bytes_text(std::uint64_t bytes) {
  constexpr std::array exact{std::pair{"GiB", 30}, std::pair{"MiB", 20}, std::pair{"KiB", 10}};
  for (const auto& [name, shift] : exact)
    if (bytes != 0 && bytes % (std::uint64_t{1} << shift) == 0)
      return fmt::format("{}{}", bytes >> shift, name);
  return fmt::format("{}B", bytes);
}

} // namespace bulkhead::config
