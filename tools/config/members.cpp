#include "tools/config/members.hpp"

#include "tools/config/explain.hpp"
#include "tools/text/units.hpp"

namespace bulkhead::config {

const json* members::find(const char* key) const {
  const auto at = at_ / key;
  return from_.root.contains(at) ? &from_.root.at(at) : nullptr;
}

void members::read_time(const char* key, std::chrono::nanoseconds& to) const {
  const auto* value = find(key);
  if (value == nullptr)
    return;
  const auto time = value->is_string() ? parse_time(value->get<std::string>())
                                       : time_of_seconds(value->get<double>());
  if (time)
    to = *time;
  else
    found_.add(explain_misfit(from_, at_ / key));
}

std::uint64_t members::bytes_of(const char* key, const json& value) const {
  if (!value.is_string())
    return value.get<std::uint64_t>();
  const auto bytes = parse_bytes(value.get<std::string>());
  if (!bytes)
    found_.add(explain_misfit(from_, at_ / key));
  return bytes.value_or(0);
}

void members::read_bytes(const char* key, std::size_t& to) const {
  if (const auto* value = find(key))
    to = bytes_of(key, *value);
}

void members::read_bytes(const char* key, std::optional<std::uint64_t>& to) const {
  if (const auto* value = find(key))
    to = value->is_null() ? std::optional<std::uint64_t>{} : bytes_of(key, *value);
}

} // namespace bulkhead::config
