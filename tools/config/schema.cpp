#include "tools/config/schema.hpp"

#include "tools/config/schema_text.hpp"

#include <string>
#include <vector>

namespace bulkhead::config {

namespace {

/// The part itself where it refers to nothing; else what it refers to, and its own words on top.
json resolved(const json& part) {
  if (!part.is_object() || !part.contains("$ref"))
    return part;
  auto target = resolved(schema().at(pointer(part["$ref"].get<std::string>().substr(1))));
  for (const auto& [key, value] : part.items())
    if (key != "$ref")
      target[key] = value;
  return target;
}

} // namespace

json part_below(const json& part, const std::string& token) {
  if (part.contains("properties") && part["properties"].contains(token))
    return resolved(part["properties"][token]);
  if (part.contains("items"))
    return resolved(part["items"]);
  for (const auto& choice : part.value("anyOf", json::array())) {
    auto below = part_below(resolved(choice), token);
    if (!below.is_null())
      return below;
  }
  return nullptr;
}

bool describes_system(const document& from) {
  return from.root.is_object() && from.root.contains("system") && !from.root["system"].is_null();
}

const json& schema() {
  static const json parsed = json::parse(schema_text);
  return parsed;
}

json schema_of(const pointer& at) {
  std::vector<std::string> tokens;
  for (auto rest = at; !rest.empty(); rest.pop_back())
    tokens.insert(tokens.begin(), rest.back());
  auto part = schema();
  for (const auto& token : tokens) {
    part = part_below(part, token);
    if (part.is_null())
      break;
  }
  return part;
}

} // namespace bulkhead::config
