#include "tools/config/explain.hpp"

#include "tools/config/schema.hpp"
#include "tools/text/nearest.hpp"
#include "tools/text/shown.hpp"

#include <fmt/format.h>

namespace bulkhead::config {

namespace {

std::vector<std::string> keys_of(const json& object) {
  std::vector<std::string> keys;
  for (const auto& [key, value] : object.items())
    if (key != "$schema")
      keys.push_back(key);
  return keys;
}

std::vector<std::string> words_of(const json& choices) {
  std::vector<std::string> words;
  for (const auto& choice : choices)
    words.push_back(choice.is_string() ? choice.get<std::string>() : choice.dump());
  return words;
}

std::string range_of(const json& part) {
  const bool low = part.contains("minimum");
  const bool high = part.contains("maximum");
  if (low && high)
    return fmt::format(" from {} to {}", part["minimum"].dump(), part["maximum"].dump());
  if (low)
    return fmt::format(" of at least {}", part["minimum"].dump());
  return {};
}

std::string noun_of(const std::string& type) {
  if (type == "integer")
    return "a whole number";
  if (type == "number")
    return "a number";
  if (type == "string")
    return "a text in double quotes";
  if (type == "boolean")
    return "true or false";
  return type == "array" ? "a list" : "an object";
}

std::string remedy_for(const pointer& at, const json& part, const json& value) {
  if (part.contains("x-remedy"))
    return part["x-remedy"];
  const auto key = at.empty() ? std::string{} : at.back();
  if (part.contains("enum") && value.is_string())
    if (auto hint = did_you_mean(value.get<std::string>(), words_of(part["enum"])); !hint.empty())
      return hint;
  if (part.contains("enum") && value.is_null())
    for (const auto& word : part["enum"])
      if (word == "null")
        return fmt::format(R"(write the text "null", in quotes: "{}": "null")", key);
  // A number or a truth in quotes is the most common slip.
  if (value.is_string() && part.value("type", json{}).is_string()) {
    const auto bare = json::parse(value.get<std::string>(), nullptr, false);
    const auto type = part["type"].get<std::string>();
    if ((type == "integer" && bare.is_number_integer()) || (type == "boolean" && bare.is_boolean()))
      return fmt::format("remove the quotes: \"{}\": {}", key, bare.dump());
  }
  const auto by_default = part.contains("default") ? part["default"] : json{};
  const auto example = part.contains("examples") ? part["examples"][0] : by_default;
  if (example.is_null())
    return "write a value of that kind";
  std::string remedy = key.empty() || key.find_first_not_of("0123456789") == std::string::npos
                         ? fmt::format("write for example {}", example.dump())
                         : fmt::format("write for example \"{}\": {}", key, example.dump());
  if (part.contains("default"))
    remedy += fmt::format(", or leave it out (default: {})", by_default.dump());
  return remedy;
}

} // namespace

std::string expectation(const json& part) {
  if (part.contains("x-expected"))
    return part["x-expected"];
  if (part.contains("enum"))
    return "one of " + listed(words_of(part["enum"]));
  if (part.contains("type") && part["type"].is_string())
    return noun_of(part["type"]) + range_of(part);
  return "another value";
}

problem explain_misfit(const document& job, const pointer& at) {
  const auto part = schema_of(at);
  const auto& value = job.root.at(at);
  const auto name = path_text(at);
  auto remedy = at.empty()
                  ? std::string("write { \"task\": \"bulkhead.echo\" } and go on from there")
                  : remedy_for(at, part, value);
  return {job.value_place(at), fmt::format("{} is {}", name, shown(value)), expectation(part),
          std::move(remedy)};
}

problem explain_unknown(const document& job, const pointer& at, const json& around) {
  const auto known = keys_of(around["properties"]);
  const auto& key = at.back();
  auto remedy = did_you_mean(key, known);
  if (remedy.empty()) {
    // A key of another place is usually one that slipped a level.
    for (const auto& [outer, part] : schema()["properties"].items())
      if (part.contains("properties") && part["properties"].contains(key))
        remedy = fmt::format("\"{}\" belongs into \"{}\"", key, outer);
    if (schema()["properties"].contains(key))
      remedy = fmt::format("\"{}\" belongs to the outermost level", key);
  }
  if (remedy.empty())
    remedy = "remove it";
  return {job.key_place(at),
          fmt::format("{} is unknown (value: {})", path_text(at), shown(job.root.at(at))),
          "one of " + listed(known), std::move(remedy)};
}

problem explain_missing(const document& job, const pointer& object, const std::string& key) {
  const auto part = schema_of(object / key);
  const auto example = part.contains("examples") ? part["examples"][0].dump() : std::string("...");
  return {job.value_place(object), fmt::format("{} is missing", path_text(object / key)),
          expectation(part), fmt::format("write \"{}\": {}", key, example)};
}

} // namespace bulkhead::config
