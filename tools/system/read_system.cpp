#include "tools/system/read_system.hpp"

#include "tools/config/members.hpp"
#include "tools/config/read_job.hpp"

#include <functional>

namespace bulkhead::systems {

namespace {

using config::members;

constexpr std::string_view restart_words[] = {"permanent", "transient", "temporary"};
constexpr std::string_view strategy_words[] = {"one_for_one", "one_for_all", "rest_for_one"};
constexpr std::string_view auto_words[] = {"never", "any_significant", "all_significant"};
constexpr std::string_view policy_words[] = {"least_loaded", "round_robin", "random",
                                             "key_hash",     "to_all",      "first"};
constexpr std::string_view kill_words[] = {"", "before_message", "before_reply", "after_reply"};

/// The elements of a list of the system, each with its place.
void each_of(const document& from, const char* list,
             const std::function<void(const pointer& at)>& read) {
  const auto at = pointer{} / "system" / list;
  const auto count = from.root.contains(at) ? from.root.at(at).size() : 0;
  for (std::size_t i = 0; i < count; ++i)
    read(at / i);
}

bool written(const members& from, const char* key) {
  const auto* value = from.find(key);
  return value != nullptr && !value->is_null();
}

/// null is as if it were not there.
template <class T>
void read_if_written(const members& from, const char* key, T& to) {
  if (written(from, key))
    from.read(key, to);
}

void read_child(const members& from, child_part& to) {
  from.read_word("restart", restart_words, to.restart);
  from.read("significant", to.significant);
  const auto* rule = from.find("shutdown");
  if (rule == nullptr)
    return;
  if (*rule == "brutal_kill") {
    to.shutdown = brutal_kill;
  } else if (*rule == "infinity") {
    to.shutdown = infinity;
  } else {
    std::chrono::nanoseconds after{};
    from.read_time("shutdown", after);
    to.shutdown = shutdown_rule{after};
  }
}

actor_plan read_actor(const document& document, const pointer& at, problems& found) {
  const members from{document, at, found};
  actor_plan to;
  to.at = at;
  from.read("name", to.name);
  from.read("behavior", to.behavior);
  from.read("tasks", to.tasks);
  from.read("args", to.args);
  from.read("pool", to.pool);
  from.read("own_process", to.own_process);
  from.read("key", to.key);
  from.read_time("message_timeout", to.options.message_timeout);
  from.read_time("start_timeout", to.options.start_timeout);
  from.read_bytes("memory_limit", to.options.memory_limit);
  to.options.name = to.name;
  from.read("instances", to.instances);
  from.read_word("policy", policy_words, to.policy);
  from.read("groups", to.groups);
  read_child(from, to.as_child);
  from.read("held_messages", to.held_messages);
  from.read_bytes("state_limit", to.state_limit);
  from.read("replayed_messages", to.replayed_messages);
  return to;
}

supervisor_plan read_supervisor(const document& document, const std::filesystem::path& base,
                                const pointer& at, problems& found) {
  const members from{document, at, found};
  supervisor_plan to;
  to.at = at;
  from.read("name", to.name);
  from.read("pool", to.pool);
  from.read("children", to.children);
  to.options.name = to.name;
  from.read_word("strategy", strategy_words, to.options.strategy);
  from.read("max_restarts", to.options.max_restarts);
  from.read_time("within", to.options.within);
  from.read_time("backoff_initial", to.options.backoff_initial);
  from.read_time("backoff_max", to.options.backoff_max);
  from.read_word("auto_shutdown", auto_words, to.options.auto_shutdown);
  std::string journal;
  from.read("journal", journal);
  if (!journal.empty())
    to.options.journal = config::path_from(base, journal);
  read_child(from, to.as_child);
  return to;
}

step_plan read_step(const document& document, const std::filesystem::path& base, const pointer& at,
                    problems& found) {
  const members from{document, at, found};
  step_plan to;
  to.at = at;
  to.where = document.value_place(at);
  int written_kinds = 0; // more than one is told later
  constexpr std::pair<const char*, step_kind> kinds[] = {{"ask", step_kind::ask},
                                                         {"send", step_kind::send},
                                                         {"publish", step_kind::publish},
                                                         {"kill", step_kind::kill},
                                                         {"await", step_kind::await}};
  for (const auto& [key, kind] : kinds)
    if (written(from, key)) {
      to.kind = kind;
      ++written_kinds;
      from.read(key, to.target);
    }
  if (written(from, "pause")) {
    to.kind = step_kind::pause;
    ++written_kinds;
    from.read_time("pause", to.pause);
  }
  if (written_kinds > 1)
    to.kind = step_kind::none;
  read_if_written(from, "message", to.message);
  if (written(from, "messages")) {
    std::string path;
    from.read("messages", path);
    to.messages = config::path_from(base, path);
  }
  read_if_written(from, "expect", to.expect);
  read_if_written(from, "fails", to.fails);
  from.read_time("within", to.within);
  from.read("retries", to.retries);
  from.read("repeat", to.repeat);
  from.read("incarnation", to.incarnation);
  return to;
}

fault_plan read_fault(const document& document, const pointer& at, problems& found) {
  const members from{document, at, found};
  fault_plan to;
  to.at = at;
  for (const auto* key : {"drop", "delay", "corrupt"})
    if (written(from, key))
      to.kind = fault_kind::channel;
  read_if_written(from, "drop", to.drop);
  read_if_written(from, "delay", to.delay);
  read_if_written(from, "corrupt", to.corrupt);
  from.read_word("kill", kill_words, to.kind);
  if (written(from, "hang")) {
    to.kind = fault_kind::hang;
    from.read_time("hang", to.hang);
  }
  from.read("actor", to.actor);
  from.read("nth", to.nth);
  from.read("again", to.again);
  read_if_written(from, "probability", to.probability);
  return to;
}

} // namespace

system_plan read_system(const document& from, const std::filesystem::path& file, problems& found) {
  const auto base = file.parent_path();
  const auto common = config::read_job(from, base, found);
  system_plan to;
  to.name = common.name;
  to.file = file;
  to.load = common.load;
  to.pool = common.pool;
  each_of(from, "pools",
          [&](const pointer& at) { to.pools.push_back(config::read_pool(from, base, found, at)); });
  each_of(from, "actors",
          [&](const pointer& at) { to.actors.push_back(read_actor(from, at, found)); });
  each_of(from, "supervisors", [&](const pointer& at) {
    to.supervisors.push_back(read_supervisor(from, base, at, found));
  });
  each_of(from, "script",
          [&](const pointer& at) { to.script.push_back(read_step(from, base, at, found)); });
  each_of(from, "schedule", [&](const pointer& at) {
    schedule_plan timed;
    timed.step = read_step(from, base, at, found);
    const members own{from, at, found};
    own.read_time("every", timed.every);
    own.read("times", timed.times);
    to.schedule.push_back(std::move(timed));
  });
  each_of(from, "faults",
          [&](const pointer& at) { to.faults.push_back(read_fault(from, at, found)); });
  const members system{from, pointer{} / "system", found};
  system.read("seed", to.seed);
  system.read("serve", to.serve);
  return to;
}

} // namespace bulkhead::systems
