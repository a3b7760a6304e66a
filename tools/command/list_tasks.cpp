#include "tools/command/commands.hpp"

#include "tools/config/checks.hpp"
#include "tools/config/task_call.hpp"
#include "tools/console/print_problems.hpp"
#include "tools/console/table.hpp"
#include "tools/console/write_out.hpp"
#include "tools/system/list_behaviors.hpp"

#include <bulkhead/detail/task_entry.hpp>
#include <bulkhead/error.hpp>

#include <unistd.h>

namespace bulkhead::command {

namespace {

/// Without the directories of the machine that built the library.
std::string place_of(const detail::task_entry& task) {
  const auto place = task.place();
  return place.substr(place.find_last_of('/') + 1);
}

std::string as_table(const std::vector<const detail::task_entry*>& tasks) {
  table t{{"task", "arguments and result", "registered in"}};
  for (const auto* task : tasks)
    t.add({std::string(task->name), config::signature_text(*task), place_of(*task)});
  return t.text();
}

/// Empty where there are none.
std::string as_table(const std::vector<systems::listed_behavior>& behaviors) {
  if (behaviors.empty())
    return {};
  table t{{"behaviour", "arguments", "messages"}};
  for (const auto& each : behaviors) {
    t.add({each.name, each.arguments, each.messages.empty() ? "any" : each.messages.front()});
    for (std::size_t i = 1; i < each.messages.size(); ++i)
      t.add({"", "", each.messages[i]});
  }
  return '\n' + t.text();
}

std::string as_json(const std::vector<const detail::task_entry*>& tasks,
                    const std::vector<systems::listed_behavior>& behaviors) {
  auto list = nlohmann::json::array();
  for (const auto* task : tasks) {
    auto arguments = nlohmann::json::array();
    for (const auto* argument : task->arguments)
      arguments.push_back(config::type_text(*argument));
    list.push_back({{"name", task->name},
                    {"arguments", arguments},
                    {"result", config::type_text(*task->result)},
                    {"registered", place_of(*task)}});
  }
  auto further = nlohmann::json::array();
  for (const auto& each : behaviors)
    further.push_back(
      {{"name", each.name}, {"arguments", each.arguments}, {"messages", each.messages}});
  return nlohmann::json{{"tasks", list}, {"behaviors", further}}.dump(2) + "\n";
}

} // namespace

int list_tasks(const call& wanted) {
  config::problems found;
  config::load_libraries(wanted.job.load, found);
  if (!found.none())
    return print_problems(found, wanted.json);
  const auto behaviors = systems::list_behaviors();
  if (behaviors.empty()) // else the warning, of libraries without tasks, would be wrong
    for (const auto& warning : found.warnings())
      write_out(STDERR_FILENO, "warning: " + warning + "\n");
  try {
    const auto tasks = detail::all_tasks();
    return print(wanted.json ? as_json(tasks, behaviors) : as_table(tasks) + as_table(behaviors))
             ? 0
             : 1;
  } catch (const config_error& e) { // one name, two tasks
    found.add(config::place{"list"}, e.what(), "each name once", "rename one of them");
    return print_problems(found, wanted.json);
  }
}

} // namespace bulkhead::command
