#include "tests/support/bad_system_parts.hpp"

#include <map>

// What is wrong with names and options of a system; steps and faults are in bad_system_steps.cpp.
namespace bulkhead::testing {

std::string system_with(members changed, const std::string& beside) {
  std::map<std::string, std::string> all{
    {"actors", R"([{"name": "till", "behavior": "test.till", "args": ["a"]},
      {"name": "book", "behavior": "test.typed"}, {"name": "free", "behavior": "test.plain"}])"},
    {"supervisors", R"([{"name": "shop", "children": ["till", "book"]}])"},
    {"script", R"([{"ask": "till", "message": ["sum"]}])"}};
  for (const auto& [key, value] : changed)
    all[key] = value;
  std::string text = "{\n" + beside + "\"system\": {";
  for (const auto& [key, value] : all)
    text += (text.back() == '{' ? "\n  \"" : ",\n  \"") + key + "\": " + value;
  return text + "\n}}\n";
}

namespace {

std::vector<bad_system> of_names() {
  return {
    {"unknown key of an actor",
     system_with({{"actors", R"([{"name": "till", "behavior": "test.till", "args": ["a"]},
        {"name": "book", "behavior": "test.typed", "own_proces": true}])"}}),
     {"actors[1].own_proces is unknown", "did you mean \"own_process\"?"}},
    {"two actors of one name",
     system_with({{"actors", R"([{"name": "till", "behavior": "test.till", "args": ["a"]},
        {"name": "book", "behavior": "test.typed"}, {"name": "book", "behavior": "test.plain"}])"}}),
     {"actors[2].name is \"book\"", "another actor or supervisor", "rename one"}},
    {"an actor and a supervisor of one name",
     system_with({{"supervisors", R"([{"name": "free", "children": ["till", "book"]}])"}}),
     {"supervisors[0].name is \"free\"", "another actor"}},
    {"a name with a slash",
     system_with({{"supervisors", R"([{"name": "a/b", "children": ["till"]}])"}}),
     {"supervisors[0].name is \"a/b\"", "without '/'"}},
    {"an empty name",
     system_with({{"supervisors", R"([{"name": "", "children": ["till"]}])"}}),
     {"supervisors[0].name is \"\"", "1 to 255 characters"}},
    {"unknown behaviour",
     system_with({{"actors", R"([{"name": "till", "behavior": "test.tll"},
        {"name": "book", "behavior": "test.typed"}])"}}),
     {"actors[0].behavior is \"test.tll\"", "BULKHEAD_ACTOR", "did you mean \"test.till\"?"}},
    {"behaviour of a library that is not there",
     system_with({{"actors", R"([{"name": "till", "behavior": "elsewhere"},
        {"name": "book", "behavior": "test.typed"}])"}}),
     {"actors[0].behavior is \"elsewhere\"", "write its library into \"load\""}},
    {"unknown pool of an actor",
     system_with({{"actors", R"([{"name": "till", "behavior": "test.till", "args": ["a"]},
        {"name": "book", "behavior": "test.typed"},
        {"name": "free", "behavior": "test.plain", "pool": "tils"}])"},
                  {"pools", R"([{"name": "tills"}])"}}),
     {"actors[2].pool is \"tils\"", "did you mean \"tills\"?"}},
    {"unknown pool of a supervisor",
     system_with({{"supervisors", R"([{"name": "shop", "children": ["till"], "pool": "x"}])"}}),
     {"supervisors[0].pool is \"x\"", "add it to \"system.pools\""}},
    {"two pools of one name",
     system_with({{"pools", R"([{"name": "a"}, {"name": "a"}])"}}),
     {"pools[1].name is \"a\"", "another pool", "rename"}},
    {"a pool without a name",
     system_with({{"pools", R"([{"workers": 1}])"}}),
     {"pools[0].name is missing"}},
    {"a pool with an empty name",
     system_with({{"pools", R"([{"name": ""}])"}}),
     {"pools[0].name is \"\"", "which nobody can name"}},
    {"unknown child",
     system_with({{"supervisors", R"([{"name": "shop", "children": ["till", "bok"]}])"}}),
     {"children[1] is \"bok\"", "neither an actor nor a supervisor", "did you mean \"book\"?"}},
    {"a child of two supervisors",
     system_with({{"supervisors", R"([{"name": "a", "children": ["till"]},
        {"name": "b", "children": ["till"]}])"}}),
     {"supervisors[1].children[0] is \"till\"", "\"a\" has as a child, too"}},
    {"a supervisor that is its own child",
     system_with({{"supervisors", R"([{"name": "shop", "children": ["till", "shop"]}])"}}),
     {"a circle: shop > shop", "a tree"}},
    {"a circle of three",
     system_with({{"supervisors", R"([{"name": "a", "children": ["b"]},
        {"name": "b", "children": ["c"]}, {"name": "c", "children": ["a", "till"]}])"}}),
     {"supervisors[0].children", "a circle: a > b > c > a"}},
    {"a child twice",
     system_with({{"supervisors", R"([{"name": "shop", "children": ["till", "till"]}])"}}),
     {"supervisors[0].children is", "different names"}},
    {"actors in an object", system_with({{"actors", "{}"}}), {"system.actors is {}", "a list"}},
    {"no actors", system_with({{"actors", "[]"}}), {"system.actors is []", "1 to 10000 actors"}},
    {"an actor without a name",
     system_with({{"actors", R"([{"name": "till", "behavior": "test.till", "args": ["a"]},
        {"name": "book", "behavior": "test.typed"}, {"behavior": "test.plain"}])"}}),
     {"actors[2].name is missing"}},
  };
}

std::vector<bad_system> of_options() {
  const auto free_with = [](const char* option) {
    const auto list = R"([{"name": "till", "behavior": "test.till", "args": ["a"]},
      {"name": "book", "behavior": "test.typed"}, {"name": "free", "behavior": "test.plain", )"
                      + std::string(option) + "}]";
    return system_with({{"actors", list.c_str()}});
  };
  const auto shop_with = [](const char* option) {
    const auto list =
      R"([{"name": "shop", "children": ["till", "book"], )" + std::string(option) + "}]";
    return system_with({{"supervisors", list.c_str()}});
  };
  const auto book_with = [](const char* option) {
    const auto list = R"([{"name": "till", "behavior": "test.till", "args": ["a"]},
      {"name": "book", "behavior": "test.typed", )"
                      + std::string(option) + "}]";
    return system_with({{"actors", list.c_str()}});
  };
  return {
    {"a task beside a system",
     system_with({}, "\"task\": \"bulkhead.echo\",\n"),
     {"task is \"bulkhead.echo\"", "\"system\" is there, too"}},
    {"an input beside a system",
     system_with({}, "\"input\": {\"list\": [1]},\n"),
     {"input is", "\"system\" is there, too"}},
    {"a pool of threads",
     system_with({}, "\"pool\": {\"start\": \"thread\"},\n"),
     {"pool.start is \"thread\"", "actors live in worker processes"}},
    {"a pool that no pool would be",
     system_with({{"pools", R"([{"name": "a", "ring_capacity": 1}])"}}),
     {"pools[0] is", "which no pool takes"}},
    {"nothing to do",
     system_with({{"script", "[]"}}),
     {"start and end at once", "\"serve\": true"}},
    {"a behaviour and tasks", free_with("\"tasks\": true"), {"at once", "remove one of the two"}},
    {"neither a behaviour nor tasks",
     system_with({{"actors", R"([{"name": "till", "behavior": "test.till", "args": ["a"]},
        {"name": "book", "behavior": "test.typed"}, {"name": "free"}])"}}),
     {"without a behaviour"}},
    {"a pool of tasks with a process",
     system_with({{"actors", R"([{"name": "till", "behavior": "test.till", "args": ["a"]},
        {"name": "book", "behavior": "test.typed"},
        {"name": "free", "tasks": true, "own_process": true}])"}}),
     {"actors[2].own_process is true", "a pool of tasks has no behaviour"}},
    {"a key and a process of its own",
     free_with(R"("own_process": true, "key": "a")"),
     {"actors[2].key is \"a\"", "a process of its own"}},
    {"a limit of memory in a shared process",
     free_with(R"("memory_limit": "64MiB")"),
     {"actors[2].memory_limit", "shares its process", "\"own_process\": true"}},
    {"a policy of one actor",
     free_with(R"("policy": "random")"),
     {"actors[2].policy is \"random\"", "one actor alone"}},
    {"instances with a process",
     free_with(R"("instances": 2, "own_process": true)"),
     {"actors[2].own_process is true", "each instance has a worker"}},
    {"an unknown policy",
     free_with(R"("instances": 2, "policy": "randm")"),
     {"actors[2].policy is \"randm\"", "did you mean \"random\"?"}},
    {"a restart of nobody's child",
     free_with(R"("restart": "transient")"),
     {"actors[2].restart is \"transient\"", "nobody's child"}},
    {"a snapshot of nobody's child",
     system_with({{"actors", R"([{"name": "till", "behavior": "test.till", "args": ["a"]},
        {"name": "book", "behavior": "test.typed"}, {"name": "free", "behavior": "test.till",
        "args": ["a"], "state_limit": "1KiB"}])"}}),
     {"actors[2].state_limit", "nobody's child"}},
    {"a snapshot beyond the host's",
     system_with({{"actors", R"([{"name": "till", "behavior": "test.till", "args": ["a"],
        "state_limit": "1GiB"}, {"name": "book", "behavior": "test.typed"}])"}}),
     {"actors[0].state_limit is \"1GiB\"", "at most 64MiB"}},
    {"replay without snapshots",
     system_with({{"actors", R"([{"name": "till", "behavior": "test.till", "args": ["a"],
        "replayed_messages": 5}, {"name": "book", "behavior": "test.typed"}])"}}),
     {"actors[0].replayed_messages is 5", "with \"state_limit\" only"}},
    {"a snapshot that the behaviour does not take",
     book_with(R"("state_limit": "1KiB")"),
     {"actors[1].state_limit is \"1KiB\"", "no text as its last argument"}},
    {"an unknown restart type",
     book_with(R"("restart": "always")"),
     {"actors[1].restart is \"always\"", "one of permanent, transient or temporary"}},
    {"an unknown shutdown",
     book_with(R"("shutdown": "soon")"),
     {"actors[1].shutdown is \"soon\"", "\"brutal_kill\" or \"infinity\""}},
    {"significant and permanent",
     system_with({{"actors", R"([{"name": "till", "behavior": "test.till", "args": ["a"]},
        {"name": "book", "behavior": "test.typed", "significant": true}])"},
                  {"supervisors", R"([{"name": "shop", "children": ["till", "book"],
        "auto_shutdown": "any_significant"}])"}}),
     {"actors[1].significant is true", "it is permanent"}},
    {"significant for nobody",
     book_with(R"("restart": "transient", "significant": true)"),
     {"actors[1].significant is true", "\"auto_shutdown\" of \"shop\" is never"}},
    {"auto_shutdown without a significant child",
     shop_with(R"("auto_shutdown": "any_significant")"),
     {"supervisors[0].auto_shutdown", "none of its children is significant"}},
    {"an unknown strategy",
     shop_with(R"("strategy": "one_for_al")"),
     {"supervisors[0].strategy is \"one_for_al\"", "did you mean \"one_for_all\"?"}},
    {"a period of nothing",
     shop_with(R"("within": 0)"),
     {"supervisors[0].within is 0", "a time above 0"}},
    {"a first wait above the longest",
     shop_with(R"("backoff_initial": "3s")"),
     {"supervisors[0].backoff_initial is \"3s\"", "raise \"backoff_max\""}},
    {"restarts below zero",
     shop_with(R"("max_restarts": -1)"),
     {"supervisors[0].max_restarts is -1"}},
    {"a pool of an inner supervisor",
     system_with({{"supervisors", R"([{"name": "shop", "children": ["till", "in"]},
        {"name": "in", "children": ["book"], "pool": "a"}])"},
                  {"pools", R"([{"name": "a"}])"}}),
     {"supervisors[1].pool is \"a\"", "lives where its root does", "write it at \"shop\""}},
    {"a child in another pool than its tree",
     system_with({{"actors", R"([{"name": "till", "behavior": "test.till", "args": ["a"]},
        {"name": "book", "behavior": "test.typed", "pool": "a"}])"},
                  {"pools", R"([{"name": "a"}])"}}),
     {"actors[1].pool is \"a\"", "in the tree of \"shop\""}},
  };
}

} // namespace

const std::vector<bad_system>& bad_systems() {
  static const auto all = [] {
    auto made = of_names();
    for (auto part : {of_options(), bad_system_steps()})
      made.insert(made.end(), part.begin(), part.end());
    return made;
  }();
  return all;
}

} // namespace bulkhead::testing
