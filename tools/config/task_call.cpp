#include "tools/config/task_call.hpp"

#include "tools/text/utf8.hpp"

#include <bulkhead/detail/type_name.hpp>

#include <cmath>
#include <map>

#include <fmt/format.h>

namespace bulkhead::config {

namespace {

using detail::value;

/// JSON has no words for these; null would be another value.
json number_json(double d) {
  if (std::isnan(d))
    return "NaN";
  if (std::isinf(d))
    return d > 0 ? "Infinity" : "-Infinity";
  return d;
}

struct json_maker {
  json operator()(std::monostate) const { return nullptr; }
  json operator()(bool b) const { return b; }
  json operator()(std::int64_t i) const { return i; }
  json operator()(std::uint64_t u) const { return u; }
  json operator()(double d) const { return number_json(d); }
  json operator()(const std::string& s) const { return text_json(s); }
  json operator()(const value::array& list) const {
    json made = json::array();
    for (const auto& each : list)
      made.push_back(to_json(each));
    return made;
  }
  json operator()(const value::object& object) const {
    json made = json::object();
    for (const auto& each : object)
      made[each.name] = to_json(each.content);
    return made;
  }
};

value::object members_of(const json& from) {
  value::object members;
  for (const auto& [name, content] : from.items())
    members.push_back({name, to_value(content)});
  return members;
}

/// "std::vector<X>" to X; empty for anything else.
std::string element_of(const std::string& type) {
  constexpr std::string_view vector = "std::vector<";
  if (!type.starts_with(vector) || !type.ends_with('>'))
    return {};
  return type.substr(vector.size(), type.size() - vector.size() - 1);
}

std::string words_of(const std::string& type) {
  static const std::map<std::string, std::string, std::less<>> words{
    {"std::string", "text"},       {"std::filesystem::path", "path"},
    {"bool", "true or false"},     {"void", "nothing"},
    {"double", "number"},          {"float", "number"},
    {"int", "whole number"},       {"unsigned int", "whole number"},
    {"long", "whole number"},      {"unsigned long", "whole number"},
    {"short", "whole number"},     {"unsigned short", "whole number"},
    {"long long", "whole number"}, {"unsigned long long", "whole number"}};
  const auto known = words.find(type);
  if (known != words.end())
    return known->second;
  const auto element = element_of(type);
  return element.empty() ? type : "list of " + words_of(element);
}

} // namespace

json text_json(const std::string& text) {
  return is_text(text) ? json(text) : json{{"base64", base64(text)}};
}

value to_value(const json& from) {
  switch (from.type()) {
  case json::value_t::boolean:
    return value(from.get<bool>());
  case json::value_t::number_integer:
    return value(from.get<std::int64_t>());
  case json::value_t::number_unsigned:
    return value(from.get<std::uint64_t>());
  case json::value_t::number_float:
    return value(from.get<double>());
  case json::value_t::string:
    return value(from.get<std::string>());
  case json::value_t::array: {
    value::array list;
    for (const auto& each : from)
      list.push_back(to_value(each));
    return value(std::move(list));
  }
  case json::value_t::object:
    return value(members_of(from));
  default:
    return {};
  }
}

json to_json(const value& from) {
  json made;
  const auto try_one = [&]<class T>(const T* content) {
    if (content != nullptr)
      made = json_maker{}(*content);
    return content != nullptr;
  };
  (void)(try_one(from.as<bool>()) || try_one(from.as<std::int64_t>())
         || try_one(from.as<std::uint64_t>()) || try_one(from.as<double>())
         || try_one(from.as<std::string>()) || try_one(from.as<value::array>())
         || try_one(from.as<value::object>()));
  return made;
}

std::vector<value> call_arguments(const json* input, bool spread, const std::vector<json>& args) {
  std::vector<value> values;
  if (input != nullptr && spread)
    for (const auto& each : *input)
      values.push_back(to_value(each));
  else if (input != nullptr)
    values.push_back(to_value(*input));
  for (const auto& each : args)
    values.push_back(to_value(each));
  return values;
}

std::string type_text(const std::type_info& type) { return words_of(detail::type_name(type)); }

std::string signature_text(const detail::task_entry& task) {
  std::string text;
  for (const auto* argument : task.arguments)
    text += (text.empty() ? "" : ", ") + type_text(*argument);
  return fmt::format("({}) -> {}", text, type_text(*task.result));
}

bool takes_list_of(const detail::task_entry& task, const std::type_info& element) {
  return task.arguments.size() == 1
         && element_of(detail::type_name(*task.arguments[0])) == detail::type_name(element);
}

} // namespace bulkhead::config
