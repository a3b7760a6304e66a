#include "tools/command/commands.hpp"

#include "tools/command/print_problems.hpp"
#include "tools/command/table.hpp"
#include "tools/command/write_out.hpp"
#include "tools/config/checks.hpp"
#include "tools/config/task_call.hpp"

#include <bulkhead/detail/task_entry.hpp>
#include <bulkhead/error.hpp>

#include <unistd.h>

namespace bulkhead::command {

namespace {

std::string as_table(const std::vector<const detail::task_entry*>& tasks) {
  table t{{"task", "arguments and result", "registered in"}};
  for (const auto* task : tasks)
    t.add({std::string(task->name), config::signature_text(*task), task->place()});
  return t.text();
}

std::string as_json(const std::vector<const detail::task_entry*>& tasks) {
  auto list = nlohmann::json::array();
  for (const auto* task : tasks) {
    auto arguments = nlohmann::json::array();
    for (const auto* argument : task->arguments)
      arguments.push_back(config::type_text(*argument));
    list.push_back({{"name", task->name},
                    {"arguments", arguments},
                    {"result", config::type_text(*task->result)},
                    {"registered", task->place()}});
  }
  return nlohmann::json{{"tasks", list}}.dump(2) + "\n";
}

} // namespace

int list_tasks(const call& wanted) {
  config::problems found;
  config::load_libraries(wanted.job.load, found);
  if (!found.none())
    return print_problems(found, wanted.json);
  try {
    const auto tasks = detail::all_tasks();
    write_out(STDOUT_FILENO, wanted.json ? as_json(tasks) : as_table(tasks));
    return 0;
  } catch (const config_error& e) { // one name, two tasks
    found.add(config::place{"list"}, e.what(), "each name once", "rename one of them");
    return print_problems(found, wanted.json);
  }
}

} // namespace bulkhead::command
