// ctest-needs: bulkhead_cli
// What a job tells while it runs and before it would: logs, more and less of it, narrow terminals,
// plans.
#include "tests/support/command.hpp"
#include "tests/support/runner_jobs.hpp"
#include "tests/support/temporary_folder.hpp"

#include <doctest/doctest.h>
#include <nlohmann/json.hpp>

#include <cstdlib>
#include <filesystem>
#include <set>
#include <sstream>
#include <string>
#include <vector>

using bulkhead::testing::command;
using bulkhead::testing::job;
using bulkhead::testing::temporary_folder;
using nlohmann::json;

namespace {

std::vector<json> objects_in(const std::string& text) {
  std::vector<json> all;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) {
    CAPTURE(line);
    auto object = json::parse(line, nullptr, false);
    REQUIRE(object.is_object());
    all.push_back(std::move(object));
  }
  return all;
}

/// A job of which one input throws and one crashes.
std::string unlucky_job(const temporary_folder& folder) {
  return folder.write("job.json", job(R"("name": "unlucky", "task": "test.misbehave",
    "pool": {"workers": 1, "output": "null"},
    "input": {"list": ["good", "throw", "crash", "good"]})"));
}

/// Sets a variable for the commands that are started meanwhile.
class variable {
public:
  variable(const char* name, const char* value) : name_(name) { ::setenv(name, value, 1); }
  ~variable() { ::unsetenv(name_); }
  variable(const variable&) = delete;
  variable& operator=(const variable&) = delete;

private:
  const char* name_;
};

} // namespace

TEST_CASE("a log of JSON is objects alone, with job, worker and task") {
  const temporary_folder folder;
  command c({"run", unlucky_job(folder), "--log-format", "json"});
  CHECK(c.wait() == 1);
  std::multiset<std::string> kinds;
  bool died = false;
  for (const auto& line : objects_in(c.err())) {
    CHECK(line["job"] == "unlucky");
    CHECK(line["time"].get<std::string>().ends_with("Z"));
    CHECK(!line["message"].get<std::string>().empty());
    if (line.contains("kind")) {
      kinds.insert(line["kind"].get<std::string>());
      CHECK(line["task"] == (line["kind"] == "worker_died" ? 2 : 1));
      CHECK(line["level"] == "warning");
    }
    died |= line.value("event", "") == "died" && line["worker"] == 1 && line["cause"] == "crashed"
            && line["pid"].get<int>() > 0;
  }
  CHECK(kinds == std::multiset<std::string>{"task_exception", "worker_died"});
  CHECK(died);
}

TEST_CASE("a level leaves out what is below it") {
  const temporary_folder folder;
  command errors({"run", unlucky_job(folder), "--log-format", "json", "--log-level", "error"});
  CHECK(errors.wait() == 1);
  CHECK(errors.err().empty());
  command all({"run", unlucky_job(folder), "--log-format", "json", "--log-level", "debug"});
  CHECK(all.wait() == 1);
  std::set<std::string> events;
  for (const auto& line : objects_in(all.err()))
    events.insert(line.value("event", ""));
  CHECK(events.count("started") == 1);
  CHECK(events.count("ready") == 1);
  for (const auto* wrong : {"--log-level=loud", "--log-format=xml"}) {
    command refused({"run", unlucky_job(folder), wrong});
    CHECK(refused.wait() == 2);
  }
}

TEST_CASE("quiet leaves the result and errors, verbose tells each worker and failure") {
  const temporary_folder folder;
  command failing({"run", unlucky_job(folder), "--quiet"});
  CHECK(failing.wait() == 1);
  CHECK(failing.out().empty());
  CHECK(failing.err().empty());
  const auto sum = folder.write("sum.json", job(R"("task": "test.square",
    "input": {"range": {"from": 0, "to": 4}}, "reduce": {"task": "test.sum"})"));
  command result({"run", sum, "-q"});
  CHECK(result.wait() == 0);
  CHECK(result.out() == "14\n");
  command unwritable({"run", sum, "--quiet", "--set", "output=/dev/full"});
  CHECK(unwritable.wait() == 1);
  CHECK(unwritable.out().find("could not be written") != std::string::npos);
  command verbose({"run", unlucky_job(folder), "-v"});
  CHECK(verbose.wait() == 1);
  CHECK(verbose.err().find("debug: worker 1") != std::string::npos);
  CHECK(verbose.err().find("input 1 failed: task_exception: thrown on purpose")
        != std::string::npos);
  command both({"run", sum, "-q", "-v"});
  CHECK(both.wait() == 2);
}

TEST_CASE("a bar fits a narrow terminal; a dumb one gets lines") {
  const temporary_folder folder;
  const auto file =
    folder.write("job.json", R"({"task": "bulkhead.echo", "input": {"list": ["a", "b"]}})");
  command narrow({"run", file}, command::terminal::narrow);
  CHECK(narrow.wait() == 0);
  CHECK(narrow.err().find('\r') != std::string::npos);
  std::istringstream bars(narrow.err());
  for (std::string bar; std::getline(bars, bar, '\r');)
    CHECK(bar.find_last_not_of('\n') + 1 < 12); // the last column would begin a new line
  const variable dumb("TERM", "dumb");
  command lines({"run", file}, command::terminal::standard_error);
  CHECK(lines.wait() == 0);
  CHECK(lines.err().find("100%  2/2") == 0);
}

TEST_CASE("NO_COLOR takes the colours away") {
  const temporary_folder folder;
  const variable kind("TERM", "xterm");
  command colours({"run", unlucky_job(folder)}, command::terminal::standard_error);
  CHECK(colours.wait() == 1);
  CHECK(colours.err().find("\x1b[") != std::string::npos);
  const variable none("NO_COLOR", "1");
  command plain({"run", unlucky_job(folder)}, command::terminal::standard_error);
  CHECK(plain.wait() == 1);
  CHECK(plain.err().find("warning: worker 1") != std::string::npos);
  CHECK(plain.err().find("\x1b[") == std::string::npos);
}

TEST_CASE("a dry run says what would run, starts nothing and writes nothing") {
  const temporary_folder folder;
  const auto file = folder.write("job.json", job(R"("task": "test.square", "output": "out.jsonl",
    "pool": {"workers": 3}, "input": {"range": {"from": 5, "to": 100}})"));
  const auto journal = (folder.path() / "journal").string();
  const auto plan = [&] {
    command c({"run", file, "--dry-run", "--json", "--journal", journal}, command::terminal::none,
              true);
    CHECK(c.wait() == 0);
    CHECK(c.started() == 0);
    return json::parse(c.out());
  };
  const auto before = plan();
  CHECK(before["inputs"] == 95);
  CHECK(before["first_inputs"] == json{5, 6, 7});
  CHECK(before["workers"] == 3);
  CHECK(before["files"]["output"] == (folder.path() / "out.jsonl").string());
  CHECK(before["from_journal"].is_null());
  CHECK(!std::filesystem::exists(folder.path() / "out.jsonl"));
  CHECK(!std::filesystem::exists(journal));
  CHECK(command({"run", file, "--journal", journal}).wait() == 0);
  CHECK(plan()["from_journal"] == 95);
  command text({"run", file, "--dry-run"});
  CHECK(text.wait() == 0);
  CHECK(text.out().find("test.square (whole number) -> whole number would run on 95 inputs, in 3 "
                        "workers")
        != std::string::npos);
  command other({"run", file, "--dry-run", "--journal", journal, "--set", "input.range.to=7"});
  CHECK(other.wait() == 2);
  CHECK(other.err().find("of another job") != std::string::npos);
}
