#include "tools/system/message_json.hpp"

#include <bulkhead/detail/task_entry.hpp>
#include <bulkhead/error.hpp>

namespace bulkhead::systems {

namespace {

caf::message task_call(const std::vector<json>& values, const actor_lookup& find) {
  if (values.empty() || !values[0].is_string())
    throw config_error("expected a task's name and its arguments");
  const auto& task = detail::expect_task(values[0].get<std::string>());
  std::vector<behavior_interface::element> types{{&typeid(std::string)}};
  for (const auto* type : task.arguments)
    types.push_back({type});
  return to_message(values, &types, find);
}

/// {"int64": 5} and {"atom": "get"} without their types.
const json& bare(const json& value) {
  return value.is_object() && value.size() == 1 ? value.begin().value() : value;
}

} // namespace

caf::message message_for(const actor_plan* whom, const std::vector<json>& values,
                         const actor_lookup& find) {
  if (whom == nullptr)
    return to_message(values, nullptr, find);
  if (whom->tasks)
    return task_call(values, find);
  const auto& calls = detail::interface_of_behavior(whom->behavior).calls;
  std::string why;
  for (const auto& each : calls) {
    try {
      return to_message(values, &each.takes, find);
    } catch (const config_error& e) { // another one may fit
      why = e.what();
    }
  }
  if (!calls.empty())
    throw config_error(why);
  return to_message(values, nullptr, find);
}

bool is_as_expected(const json& expected, const json& answer) {
  if (!expected.is_array() || expected.size() != answer.size())
    return false;
  for (std::size_t i = 0; i < expected.size(); ++i)
    if (bare(expected[i]) != bare(answer[i]))
      return false;
  return true;
}

} // namespace bulkhead::systems
