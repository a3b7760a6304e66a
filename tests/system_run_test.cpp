// ctest-needs: bulkhead_cli
// ctest-timeout: 180
// ctest-label: fault
#include "tests/support/command.hpp"
#include "tests/support/temporary_folder.hpp"

#include <doctest/doctest.h>
#include <nlohmann/json.hpp>

#include <csignal>
#include <fstream>
#include <string>

using bulkhead::testing::command;
using bulkhead::testing::temporary_folder;
using nlohmann::json;

namespace {

/// A file with this system, whose behaviours are those of tests/support/modules/shop.cpp.
std::string file_of(const temporary_folder& folder, const std::string& system) {
  return folder.write("system.json", R"({"load": [")" BULKHEAD_TEST_MODULE_DIR R"(/shop.so"],
    "pool": {"actor_workers": 2, "workers": 1}, "system": )"
                                       + system + "}");
}

struct outcome {
  int status = 0;
  json report;
  std::string err;
};

outcome run(const std::string& file) {
  command c({"run", "--json", file});
  outcome o;
  o.status = c.wait();
  o.err = c.err();
  INFO(o.err);
  INFO(c.out());
  o.report = json::parse(c.out(), nullptr, false);
  REQUIRE(o.report.is_object());
  return o;
}

constexpr const char* one_till =
  R"("actors": [{"name": "till", "behavior": "shop.till", "args": ["5"]}])";
constexpr const char* kept_till =
  R"("actors": [{"name": "till", "behavior": "shop.till", "args": ["5"], "own_process": true,
      "state_limit": "64B"}],
     "supervisors": [{"name": "shop", "children": ["till"], "max_restarts": 100}])";

} // namespace

TEST_CASE("answers are compared with what the file expects, and each that differs is told") {
  const temporary_folder folder;
  const auto o = run(file_of(folder, std::string("{") + one_till + R"(, "script": [
    {"ask": "till", "message": ["add", 2], "expect": [7]},
    {"ask": "till", "message": ["sum"], "expect": [8]},
    {"ask": "till", "message": [{"double": 1}], "fails": "error"},
    {"send": "till", "message": ["add", 3]},
    {"ask": "till", "message": ["sum"], "expect": [10], "repeat": 4}]})"));
  CHECK(o.status == 1);
  CHECK(o.report["asked"] == 7);
  CHECK(o.report["answered"] == 6);
  CHECK(o.report["sent"] == 1);
  REQUIRE(o.report["failures"].size() == 1);
  CHECK(o.report["failures"][0]["what"] == "ask till [\"sum\"]: answered [7], expected [8]");
  CHECK(o.report["failures"][0]["line"] == 4);
  CHECK(o.err.find("failed: ask till") != std::string::npos);
}

TEST_CASE("what was acknowledged survives kills at each moment of a message") {
  const temporary_folder folder;
  const auto o = run(file_of(folder, std::string("{") + kept_till + R"(, "script": [
    {"ask": "till", "message": ["keep", 1], "repeat": 30, "retries": 20},
    {"kill": "till"},
    {"await": "till", "incarnation": 2},
    {"ask": "till", "message": ["sum"], "expect": [35], "retries": 20}],
    "faults": [{"kill": "before_message", "actor": "till", "nth": 3, "again": 9},
               {"kill": "before_reply", "actor": "till", "nth": 6, "again": 9},
               {"kill": "after_reply", "actor": "till", "nth": 9, "again": 9},
               {"hang": "50ms", "actor": "till", "nth": 5}]})"));
  CHECK(o.status == 0);
  CHECK(o.report["asked"] == 31);
  CHECK(o.report["answered"] == 31);
  CHECK(o.report["kills"] >= 10);
  CHECK(o.report["hangs"] == 1);
  CHECK(o.report["restarts"] >= 1);
  CHECK(o.err.find("shop/till started, incarnation 2") != std::string::npos);
}

TEST_CASE("an actor without a supervisor is gone with its worker, and the script may expect that") {
  const temporary_folder folder;
  const auto o = run(file_of(folder, std::string("{") + one_till + R"(, "script": [
    {"ask": "till", "message": ["crash"], "fails": "worker_died"},
    {"ask": "till", "message": ["sum"]}]})"));
  CHECK(o.status == 1);
  CHECK(o.report["answered"] == 1);
  CHECK(o.report["failures"][0]["line"] == 4);
}

TEST_CASE("routers, groups, pools of tasks and messages from a file") {
  const temporary_folder folder;
  std::ofstream(folder.path() / "orders.jsonl") << "[\"add\", 1]\n\n[\"add\", 2]\n[\"add\", 3]\n";
  const auto o = run(file_of(folder, R"({"actors": [
      {"name": "all", "behavior": "shop.till", "args": ["0"], "instances": 2, "policy": "to_all"},
      {"name": "turns", "behavior": "shop.till", "args": ["0"], "instances": 2,
       "policy": "round_robin"},
      {"name": "a", "behavior": "shop.till", "args": ["0"], "groups": ["tills"]},
      {"name": "b", "behavior": "shop.till", "args": ["0"], "groups": ["tills"]},
      {"name": "c", "behavior": "shop.till", "args": ["0"], "groups": ["tills"]},
      {"name": "prices", "tasks": true}],
    "supervisors": [{"name": "shop", "children": ["c", "turns", "prices"]}],
    "script": [
      {"ask": "all", "message": ["add", 4], "expect": [4]},
      {"ask": "all", "message": ["sum"], "expect": [4]},
      {"ask": "turns", "message": ["add", 1], "expect": [1], "repeat": 2},
      {"publish": "tills", "message": ["add", 7]},
      {"ask": "a", "message": ["sum"], "expect": [7]},
      {"ask": "b", "message": ["sum"], "expect": [7]},
      {"ask": "c", "message": ["sum"], "expect": [7]},
      {"ask": "prices", "message": ["shop.price", "tea", 5], "expect": [15]},
      {"ask": "a", "messages": "orders.jsonl"},
      {"ask": "a", "message": ["sum"], "expect": [13]}]})"));
  INFO(o.err);
  CHECK(o.status == 0);
  CHECK(o.report["published"] == 3);
  CHECK(o.report["asked"] == 12);
}

TEST_CASE("a message that the channel drops is asked again") {
  const temporary_folder folder;
  const auto o = run(file_of(folder, std::string("{") + kept_till + R"(, "seed": 3, "script": [
    {"ask": "till", "message": ["sum"], "expect": [5], "within": "300ms", "retries": 50,
     "repeat": 20}], "faults": [{"drop": 0.2}]})"));
  CHECK(o.status == 0);
  CHECK(o.report["answered"] == 20);
  CHECK(o.report["retried"] > 0);
}

TEST_CASE("a supervisor at the top that gives up makes the run fail") {
  const temporary_folder folder;
  const auto o = run(file_of(folder, R"({"actors": [
      {"name": "till", "behavior": "shop.till", "args": ["5"], "own_process": true}],
    "supervisors": [{"name": "shop", "children": ["in"], "max_restarts": 0},
                    {"name": "in", "children": ["till"], "max_restarts": 0}],
    "script": [], "schedule": [{"every": "50ms", "kill": "till", "times": 1}], "serve": true})"));
  CHECK(o.status == 1);
  CHECK(o.report["gave_up"] == true);
  CHECK(o.err.find("shop/in gave_up") != std::string::npos);
  CHECK(o.err.find("shop gave_up") != std::string::npos);
}

TEST_CASE("a service goes on until a signal, which is its end and no fault") {
  const temporary_folder folder;
  command c({"run", "--json",
             file_of(folder, std::string("{") + one_till + R"(, "script": [{"pause": "1ms"}],
      "schedule": [{"every": "20ms", "ask": "till", "message": ["sum"], "expect": [5]}],
      "serve": true})")});
  REQUIRE(c.wait_for_text("serving until a signal"));
  c.signal(SIGTERM);
  CHECK(c.wait() == 0);
  CHECK(json::parse(c.out())["signal"] == SIGTERM);
}

TEST_CASE(
  "SIGHUP puts the file's new system in place of the old one, and keeps that where it fails") {
  const temporary_folder folder;
  const auto with = [&](const char* opening, const char* expected) {
    return file_of(folder, std::string(R"({"actors": [{"name": "till", "behavior": "shop.till",
      "args": [")") + opening
                             + R"("]}], "script": [{"ask": "till", "message": ["sum"], "expect": [)"
                             + expected + R"(]}], "serve": true})");
  };
  command c({"run", "--json", with("5", "5")});
  REQUIRE(c.wait_for_text("serving until a signal"));
  file_of(folder, R"({"actors": [], "serve": true})");
  c.signal(SIGHUP);
  REQUIRE(c.wait_for_text("the old system goes on"));
  CHECK(c.err().find("system.actors is []") != std::string::npos);
  with("6", "7");
  c.signal(SIGHUP);
  REQUIRE(c.wait_for_text("steps of the new script failed; the old system goes on"));
  with("8", "8");
  c.signal(SIGHUP);
  REQUIRE(c.wait_for_text("the new system serves"));
  c.signal(SIGTERM);
  CHECK(c.wait() == 0);
  CHECK(json::parse(c.out())["answered"] == 1);
}

TEST_CASE("a signal before the end of the script ends it, also while nobody answers") {
  const temporary_folder folder;
  command c({"run", "--json",
             file_of(folder, std::string("{") + one_till + R"(, "script": [{"pause": "1ms"},
      {"ask": "till", "message": ["sum"], "within": "1h"}], "faults": [{"drop": 1}]})")});
  REQUIRE(c.wait_for_text("till started"));
  c.signal(SIGINT);
  CHECK(c.wait() == 130);
  const auto report = json::parse(c.out());
  CHECK(report["complete"] == false);
  CHECK(report["failed"] == 0);
}

TEST_CASE("a bad system starts nothing, and validate says what a good one is") {
  const temporary_folder folder;
  const auto bad = file_of(folder, R"({"actors": [{"name": "till", "behavior": "shop.tll"}],
    "serve": true})");
  for (const auto* verb : {"run", "validate"}) {
    command c({verb, bad}, command::terminal::none, true);
    CHECK(c.wait() == 2);
    CHECK(c.started() == 0);
    CHECK(c.err().find("did you mean \"shop.till\"?") != std::string::npos);
  }
  command good({"validate", file_of(folder, std::string("{") + kept_till + R"(, "serve": true})")},
               command::terminal::none, true);
  CHECK(good.wait() == 0);
  CHECK(good.started() == 0);
  CHECK(good.out().find("good; 1 actor, 1 supervisor, 0 steps") != std::string::npos);
}

TEST_CASE("list names the behaviours of a library beside its tasks") {
  command c({"list", "--load", BULKHEAD_TEST_MODULE_DIR "/shop.so"});
  CHECK(c.wait() == 0);
  CHECK(c.out().find("shop.price") != std::string::npos);
  CHECK(c.out().find("shop.till  (text)") != std::string::npos);
}
