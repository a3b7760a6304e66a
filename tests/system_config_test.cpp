// ctest-link: bulkhead_system
#include "tests/support/bad_systems.hpp"
#include "tests/support/caf_spelling.hpp"
#include "tests/support/temporary_folder.hpp"
#include "tools/config/check_schema.hpp"
#include "tools/config/schema.hpp"
#include "tools/system/load_system.hpp"
#include "tools/system/read_system.hpp"

#include <bulkhead/message.hpp>
#include <bulkhead/task.hpp>

#include <caf/event_based_actor.hpp>
#include <caf/typed_event_based_actor.hpp>

#include <doctest/doctest.h>

#include <functional>

using namespace bulkhead;
using bulkhead::testing::bad_systems;
using bulkhead::testing::temporary_folder;

BULKHEAD_TASK("bulkhead.echo", [](const std::string& text) { return text; })

namespace {

using book = caf::typed_actor<bulkhead::tests::answers<std::int64_t, caf::get_atom>,
                              bulkhead::tests::answers<std::int64_t, caf::put_atom, std::int64_t>>;

caf::behavior till(caf::event_based_actor*, const std::string&) { return {}; }
caf::behavior plain(caf::event_based_actor*) { return {}; }
caf::behavior listed(caf::event_based_actor*, const std::vector<std::string>&) { return {}; }
book::behavior_type typed(book::pointer) {
  return {[](caf::get_atom) { return std::int64_t{0}; },
          [](caf::put_atom, std::int64_t n) { return n; }};
}

BULKHEAD_ACTOR("test.till", till)
BULKHEAD_ACTOR("test.plain", plain)
BULKHEAD_ACTOR("test.list", listed)
BULKHEAD_ACTOR("test.typed", typed)

systems::system_plan accepted(const std::filesystem::path& file) {
  config::problems found;
  auto plan = systems::load_system({file, {}, {}}, found);
  INFO(found.render());
  REQUIRE(plan);
  return *plan;
}

} // namespace

TEST_CASE("each bad system is refused with one message: place, value, expectation and remedy") {
  const temporary_folder folder;
  REQUIRE(bad_systems().size() >= 60);
  for (const auto& bad : bad_systems())
    SUBCASE(bad.name.c_str()) {
      const auto file = folder.write("system.json", bad.text);
      config::problems found;
      CHECK_FALSE(systems::load_system({file, {}, {}}, found));
      const auto report = found.render();
      INFO(report);
      CHECK(found.count() == 1);
      for (const auto& p : found.all()) {
        CHECK(p.where.line > 0);
        CHECK_FALSE(p.expected.empty());
        CHECK_FALSE(p.remedy.empty());
      }
      for (const auto part : bad.parts) {
        CAPTURE(part);
        CHECK(report.find(part) != std::string::npos);
      }
    }
}

TEST_CASE("all that is wrong with a system is told at once, in the order of the file") {
  const temporary_folder folder;
  const auto file = folder.write("system.json", R"({"system": {
  "actors": [{"name": "till", "behavior": "test.till", "args": [5]},
             {"name": "book", "behavior": "test.typed", "key": "a", "own_process": true}],
  "supervisors": [{"name": "shop", "children": ["till", "shop"], "strategy": "all"}],
  "script": [{"ask": "book", "message": ["put", "a"]}],
  "faults": [{"kill": "after_reply", "actor": "boo"}]
}})");
  config::problems found;
  CHECK_FALSE(systems::load_system({file, {}, {}}, found));
  const auto report = found.render();
  INFO(report);
  CHECK(found.count() == 6);
  std::size_t last = 0;
  for (const auto* part : {":2:64: ", ":3:64: ", ":4:48: ", ":4:78: ", ":5:41: ", ":6:47: "}) {
    CAPTURE(part);
    const auto at = report.find(part);
    REQUIRE(at != std::string::npos);
    CHECK(at > last);
    last = at;
  }
}

TEST_CASE("a system is read as it is written") {
  const temporary_folder folder;
  const auto file =
    folder.write("system.json", R"({"name": "shop", "pool": {"workers": 3}, "system": {
    "pools": [{"name": "tills", "actor_workers": 2}],
    "actors": [
      {"name": "till", "behavior": "test.till", "args": ["a"], "own_process": true,
       "message_timeout": "2s", "memory_limit": "64MiB", "groups": ["clerks"],
       "restart": "transient", "shutdown": "brutal_kill", "significant": true,
       "held_messages": 7, "state_limit": "1KiB", "replayed_messages": 9},
      {"name": "many", "behavior": "test.plain", "instances": 3, "policy": "to_all",
       "pool": "tills"},
      {"name": "jobs", "tasks": true}],
    "supervisors": [{"name": "top", "children": ["in"], "pool": "tills"},
      {"name": "in", "children": ["till"], "strategy": "rest_for_one", "max_restarts": 4,
       "within": "1min", "auto_shutdown": "all_significant", "shutdown": "3s"}],
    "script": [{"ask": "jobs", "message": ["bulkhead.echo", "a"], "expect": ["a"], "retries": 2,
                "within": "1s", "repeat": 5},
               {"publish": "clerks", "message": [{"atom": "tick"}, {"actor": "till"}]},
               {"await": "till", "incarnation": 3}],
    "schedule": [{"every": "1s", "times": 4, "kill": "till"}],
    "faults": [{"hang": "2s", "actor": "jobs2", "nth": 3}],
    "seed": 9, "serve": true}})");
  config::problems found;
  CHECK_FALSE(systems::load_system({file, {}, {}}, found)); // jobs2
  CHECK(found.count() == 1);
  const auto plan = [&] {
    config::problems none;
    return systems::load_system(
      {file, {R"(system.faults=[{"hang": "2s", "nth": 3, "again": 5}])"}, {}}, none);
  }();
  REQUIRE(plan);
  CHECK(plan->pool.workers == 3);
  CHECK(plan->pool_named("tills")->actor_workers == 2);
  const auto& till = *plan->actor("till");
  CHECK(till.own_process);
  CHECK(till.options.message_timeout == std::chrono::seconds{2});
  CHECK(till.options.memory_limit == std::size_t{64} << 20);
  CHECK(till.as_child.restart == restart_type::transient);
  CHECK(till.as_child.shutdown.how() == shutdown_rule::kind::brutal_kill);
  CHECK(till.held_messages == 7);
  CHECK(till.state_limit == 1024);
  CHECK(till.replayed_messages == 9);
  CHECK(plan->root_of("till") == "top");
  CHECK(plan->pool_of(till) == "tills");
  CHECK(plan->actor("many")->policy == systems::router_policy::to_all);
  const auto& in = *plan->supervisor("in");
  CHECK(in.options.strategy == restart_strategy::rest_for_one);
  CHECK(in.options.max_restarts == 4);
  CHECK(in.as_child.shutdown.after() == std::chrono::seconds{3});
  CHECK(plan->script[0].repeat == 5);
  CHECK(plan->script[2].incarnation == 3);
  CHECK(plan->schedule[0].times == 4);
  CHECK(plan->faults[0].again == 5);
  CHECK(plan->seed == 9);
  CHECK(plan->serve);
}

TEST_CASE("a pool's own options are read in a list of pools as in \"pool\"") {
  const temporary_folder folder;
  const auto plan = accepted(folder.write("system.json", R"({"system": {
    "pools": [{"name": "a", "workers": 2, "restart": {"max_restarts": 3}, "grace": "1s"}],
    "actors": [{"name": "free", "behavior": "test.plain", "pool": "a"}], "serve": true}})"));
  CHECK(plan.pools[0].restart.max_restarts == 3);
  CHECK(plan.pools[0].grace == std::chrono::seconds{1});
}

TEST_CASE("the reference of systems fits the schema and shows each of its members") {
  const std::string file = BULKHEAD_SOURCE_DIR "/config/system.jsonc";
  config::problems found;
  auto reference = config::read_document({file, {}, {}}, found);
  REQUIRE(reference);
  config::check_schema(*reference, found);
  INFO(found.render());
  CHECK(found.none());
  const auto plan = systems::read_system(*reference, file, found);
  CHECK(plan.actors.size() == 3);
  const auto text = reference->root["system"].dump();
  const std::function<void(const config::json&)> visit = [&](const config::json& part) {
    for (const auto& [key, below] : part["properties"].items()) {
      CAPTURE(key);
      CHECK(text.find('"' + key + '"') != std::string::npos);
      if (below.contains("items") && below["items"].contains("properties"))
        visit(below["items"]);
    }
  };
  visit(config::schema()["properties"]["system"]);
}
