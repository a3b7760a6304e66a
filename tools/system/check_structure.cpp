#include "tools/system/check_system.hpp"
#include "tools/text/nearest.hpp"
#include "tools/text/shown.hpp"

#include <algorithm>
#include <map>
#include <set>

#include <fmt/format.h>

namespace bulkhead::systems {

void complaints::add(const pointer& at, const std::string& why, std::string expected,
                     std::string remedy) const {
  const auto value = from_.root.contains(at) ? from_.root.at(at) : json{};
  found_.add(from_.value_place(at),
             fmt::format("{} is {}, {}", config::path_text(at), config::shown(value), why),
             std::move(expected), std::move(remedy));
}

namespace {

class structure {
public:
  structure(const complaints& to, const system_plan& plan) : to_(to), plan_(plan) {}

  void check() {
    job_members();
    names();
    for (const auto& each : plan_.actors)
      actor(each);
    for (const auto& each : plan_.supervisors)
      supervisor(each);
    circles();
    if (plan_.script.empty() && plan_.schedule.empty() && !plan_.serve)
      to_.add(pointer("/system"), "so it would start and end at once",
              "a script, a schedule, or a service",
              "write \"serve\": true, or steps into \"script\"");
    if (!plan_.schedule.empty() && plan_.script.empty() && !plan_.serve)
      to_.add(pointer("/system/schedule"), "but without a script the system ends at once",
              "a schedule beside a script or in a service", "write \"serve\": true");
  }

private:
  void job_members() const {
    for (const auto* key :
         {"task", "args", "input", "map", "task_options", "reduce", "output", "append", "engine"})
      if (to_.written(pointer{} / key))
        to_.add(pointer{} / key, "but \"system\" is there, too",
                "a job of tasks or a system of actors",
                fmt::format("remove \"{}\", or \"system\"", key));
  }

  void names() const {
    std::set<std::string> pools{plan_.pool.name};
    for (std::size_t i = 0; i < plan_.pools.size(); ++i) {
      const auto& name = plan_.pools[i].name;
      const auto at = pointer("/system/pools") / i / "name";
      if (name.empty() && to_.written(at))
        to_.add(at, "which nobody can name", "a name of its own", "write a name");
      else if (!name.empty() && !pools.insert(name).second)
        to_.add(at, "which another pool has", "a name of its own", "rename one of the two");
    }
    std::set<std::string> known;
    const auto own = [&](const std::string& name, const pointer& at) {
      if (!name.empty() && !known.insert(name).second)
        to_.add(at / "name", "which another actor or supervisor has", "a name of its own",
                "rename one of the two");
    };
    for (const auto& each : plan_.actors)
      own(each.name, each.at);
    for (const auto& each : plan_.supervisors)
      own(each.name, each.at);
  }

  /// Members that say something only where another one does.
  void without_effect(const pointer& at, std::initializer_list<const char*> keys,
                      const std::string& why, const std::string& expected) const {
    for (const auto* key : keys)
      if (to_.written(at / key))
        to_.add(at / key, why, expected, fmt::format("remove \"{}\"", key));
  }

  void actor(const actor_plan& a) const {
    if (a.tasks == !a.behavior.empty())
      to_.add(a.at, a.tasks ? "a behaviour and a pool of tasks at once" : "without a behaviour",
              "\"behavior\", or \"tasks\": true",
              a.tasks ? "remove one of the two" : "write \"behavior\": \"NAME\"");
    if (a.tasks)
      without_effect(a.at,
                     {"args", "own_process", "key", "message_timeout", "start_timeout",
                      "memory_limit", "instances", "policy", "state_limit", "replayed_messages"},
                     "but a pool of tasks has no behaviour", "options of actors only with actors");
    placement(a);
    child(a.at, a.name, a.as_child, {"held_messages", "state_limit", "replayed_messages"});
    if (a.replayed_messages != 0 && a.state_limit == 0)
      to_.add(a.at / "replayed_messages", "but no snapshot will ever contain them",
              "with \"state_limit\" only", "write \"state_limit\": \"64KiB\", or remove it");
    if (a.state_limit > std::size_t{64} << 20)
      to_.add(a.at / "state_limit", "more than the host keeps", "at most 64MiB",
              "write \"state_limit\": \"64MiB\", or less");
  }

  void placement(const actor_plan& a) const {
    if (a.own_process && !a.key.empty())
      to_.add(a.at / "key", "but it has a process of its own", "\"key\" or \"own_process\"",
              "remove one of the two");
    if (a.options.memory_limit != 0 && !a.own_process && a.instances == 0)
      to_.add(a.at / "memory_limit", "but it shares its process with others",
              "a limit of memory with \"own_process\": true only", "write \"own_process\": true");
    if (a.instances == 0)
      without_effect(a.at, {"policy"}, "but there is one actor alone",
                     "a policy with \"instances\" only");
    else
      without_effect(a.at,
                     {"own_process", "key", "message_timeout", "start_timeout", "memory_limit",
                      "state_limit", "replayed_messages"},
                     "but each instance has a worker of its own and the options of its pool",
                     "an option of a single actor");
    const auto* pool = plan_.pool_named(a.pool);
    if (pool == nullptr)
      to_.add(a.at / "pool", "which is no pool", "the name of a pool", pool_hint(a.pool));
    else if (a.instances != 0
             && (pool->max_tasks_per_worker != 0 || pool->retry != retry_policy{}
                 || pool->poison_after != pool_options{}.poison_after))
      to_.add(
        a.at / "instances",
        "but its pool has max_tasks_per_worker, retry or poison_after, which tasks alone have",
        "instances in a pool with options of actors", "give them a pool of their own");
    const auto* root = plan_.supervisor(plan_.root_of(a.name));
    if (root != nullptr && !a.pool.empty() && a.instances == 0 && !a.tasks
        && plan_.pool_named(a.pool) != plan_.pool_named(root->pool))
      to_.add(
        a.at / "pool",
        fmt::format("but it is in the tree of \"{}\", which lives in another pool", root->name),
        "the pool of its tree", "remove \"pool\" here, or write it at the supervisor");
  }

  std::string pool_hint(const std::string& wanted) const {
    std::vector<std::string> known;
    known.reserve(plan_.pools.size() + 1);
    for (const auto& each : plan_.pools)
      known.push_back(each.name);
    if (!plan_.pool.name.empty())
      known.push_back(plan_.pool.name);
    auto hint = config::did_you_mean(wanted, known);
    return hint.empty() ? "add it to \"system.pools\"" : hint;
  }

  void child(const pointer& at, const std::string& name, const child_part& part,
             std::initializer_list<const char*> further) const {
    const auto* above = plan_.supervisor_of(name);
    if (above == nullptr) {
      const std::string why = "but it is nobody's child";
      const std::string expected = "options of children only with a supervisor";
      without_effect(at, {"restart", "shutdown", "significant"}, why, expected);
      without_effect(at, further, why, expected);
      return;
    }
    if (part.significant && part.restart == restart_type::permanent)
      to_.add(at / "significant", "but it is permanent: it never ends for good",
              "\"significant\" with \"transient\" or \"temporary\"",
              "write \"restart\": \"transient\"");
    if (part.significant && above->options.auto_shutdown == auto_shutdown::never)
      to_.add(at / "significant",
              fmt::format("but \"auto_shutdown\" of \"{}\" is never", above->name),
              "a significant child of a supervisor that looks at it",
              "write \"auto_shutdown\": \"any_significant\" there");
  }

  void supervisor(const supervisor_plan& s) const {
    child(s.at, s.name, s.as_child, {});
    if (s.options.within.count() == 0)
      to_.add(s.at / "within", "so no restart would ever be counted", "a time above 0",
              "write \"within\": \"5s\"");
    if (s.options.backoff_initial > s.options.backoff_max)
      to_.add(s.at / "backoff_initial", "longer than the longest wait, \"backoff_max\"",
              "at most \"backoff_max\"", "raise \"backoff_max\"");
    if (plan_.pool_named(s.pool) == nullptr)
      to_.add(s.at / "pool", "which is no pool", "the name of a pool", pool_hint(s.pool));
    if (!s.pool.empty() && plan_.supervisor_of(s.name) != nullptr)
      to_.add(s.at / "pool", "but it is a child: it lives where its root does",
              "\"pool\" at the root of a tree only",
              fmt::format("write it at \"{}\"", plan_.root_of(s.name)));
    if (s.options.auto_shutdown != auto_shutdown::never && !has_significant(s))
      to_.add(s.at / "auto_shutdown", "but none of its children is significant",
              "a supervisor with significant children",
              "write \"significant\": true at one of them");
    children(s);
  }

  bool has_significant(const supervisor_plan& s) const {
    return std::any_of(s.children.begin(), s.children.end(), [&](const std::string& name) {
      const auto* actor = plan_.actor(name);
      const auto* below = plan_.supervisor(name);
      return (actor != nullptr && actor->as_child.significant)
             || (below != nullptr && below->as_child.significant);
    });
  }

  void children(const supervisor_plan& s) const {
    for (std::size_t i = 0; i < s.children.size(); ++i) {
      const auto& name = s.children[i];
      const auto at = s.at / "children" / i;
      if (plan_.actor(name) == nullptr && plan_.supervisor(name) == nullptr) {
        auto hint = config::did_you_mean(name, everybody());
        to_.add(at, "which is neither an actor nor a supervisor", "a name of the file",
                hint.empty() ? "add it to \"system.actors\"" : hint);
      } else if (const auto* first = plan_.supervisor_of(name); first != &s) {
        to_.add(at, fmt::format("which \"{}\" has as a child, too", first->name),
                "one supervisor for each child", "remove it from one of the two");
      }
    }
  }

  std::vector<std::string> everybody() const {
    std::vector<std::string> known;
    known.reserve(plan_.actors.size() + plan_.supervisors.size());
    for (const auto& each : plan_.actors)
      known.push_back(each.name);
    for (const auto& each : plan_.supervisors)
      known.push_back(each.name);
    return known;
  }

  /// Each circle is told once, at the first of its supervisors in the file.
  void circles() const {
    std::set<std::string> told;
    for (const auto& s : plan_.supervisors) {
      std::string way = s.name;
      std::vector<std::string> passed{s.name};
      for (const auto* above = plan_.supervisor_of(s.name); above != nullptr;
           above = plan_.supervisor_of(above->name)) {
        way.insert(0, fmt::format("{} > ", above->name));
        if (above->name == s.name && !told.contains(s.name)) {
          to_.add(s.at / "children", "a circle: " + way, "a tree: nobody above themselves",
                  "remove one of these names from \"children\"");
          told.insert(passed.begin(), passed.end());
        }
        if (std::find(passed.begin(), passed.end(), above->name) != passed.end())
          break;
        passed.push_back(above->name);
      }
    }
  }

  const complaints& to_;
  const system_plan& plan_;
};

} // namespace

void check_structure(const complaints& to, const system_plan& plan) { structure{to, plan}.check(); }

} // namespace bulkhead::systems
