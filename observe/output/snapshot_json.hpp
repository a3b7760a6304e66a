#pragma once

#include <bulkhead/observe/snapshot.hpp>

#include <nlohmann/json.hpp>

#include <string>

namespace bulkhead::observe::detail {

using json = nlohmann::json;

inline double seconds_of(std::chrono::nanoseconds time) noexcept {
  return std::chrono::duration<double>(time).count();
}
inline double unix_seconds(std::chrono::system_clock::time_point at) noexcept {
  return std::chrono::duration<double>(at.time_since_epoch()).count();
}

/// A snapshot as docs/observe.md describes it.
json to_json(const snapshot& of);
json to_json(const event_sight& of);

/// One line; bytes that are no UTF-8 are replaced, for workers choose some of them.
std::string text_of(const json& document);

} // namespace bulkhead::observe::detail
