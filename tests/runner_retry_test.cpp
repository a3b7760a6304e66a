// ctest-needs: bulkhead_cli
// ctest-timeout: 180
// Inputs that failed go to a file, and a later run takes them from there.
#include "tests/support/command.hpp"
#include "tests/support/runner_jobs.hpp"
#include "tests/support/temporary_folder.hpp"

#include <doctest/doctest.h>
#include <nlohmann/json.hpp>

#include <filesystem>
#include <set>
#include <sstream>
#include <string>
#include <vector>

using bulkhead::testing::command;
using bulkhead::testing::content_of;
using bulkhead::testing::job;
using bulkhead::testing::temporary_folder;
using nlohmann::json;

namespace {

std::vector<json> lines_of(const std::filesystem::path& file) {
  std::istringstream text(content_of(file));
  std::vector<json> all;
  for (std::string line; std::getline(text, line);)
    all.push_back(json::parse(line));
  return all;
}

std::set<json> inputs_of(const std::vector<json>& lines) {
  std::set<json> all;
  for (const auto& line : lines)
    all.insert(line["input"]);
  return all;
}

/// A folder with a job on files of which some are missing.
class missing_files {
public:
  missing_files() {
    folder_.write("b", "");
    file = folder_.write("job.json", job(R"("task": "test.there", "input": {"list": [)" + names()
                                         + R"(]}, "output": "out.jsonl")"));
  }

  std::string path(const char* name) const { return (folder_.path() / name).string(); }
  void add(const char* name) { folder_.write(name, ""); }
  void write(const char* name, const std::string& text) { folder_.write(name, text); }

  std::string file;

private:
  std::string names() const {
    return json(path("a")).dump() + ", " + json(path("b")).dump() + ", " + json(path("c")).dump();
  }

  temporary_folder folder_;
};

} // namespace

TEST_CASE("failed inputs run again until none is left; the output has all results in the end") {
  missing_files there;
  const auto first = there.path("first.jsonl");
  command c({"run", there.file, "--failed", first});
  CHECK(c.wait() == 1);
  CHECK(c.out().find("failed inputs are in " + first) != std::string::npos);
  CHECK(inputs_of(lines_of(first)) == std::set<json>{there.path("a"), there.path("c")});
  CHECK(lines_of(first).front()["failure"]["kind"] == "task_exception");

  there.add("a");
  const auto second = there.path("second.jsonl");
  command again({"run", there.file, "--retry", first, "--failed", second, "--json"});
  CHECK(again.wait() == 1);
  const auto report = json::parse(again.out());
  CHECK(report["inputs"] == 2);
  CHECK(report["failed_file"] == second);
  CHECK(inputs_of(lines_of(second)) == std::set<json>{there.path("c")});

  there.add("c");
  const auto third = there.path("third.jsonl");
  command last({"run", there.file, "--retry", second, "--failed", third});
  CHECK(last.wait() == 0);
  CHECK(lines_of(third).empty());
  std::set<json> results;
  for (const auto& line : lines_of(there.path("out.jsonl")))
    if (line.contains("result"))
      results.insert(line["result"]);
  CHECK(results == std::set<json>{there.path("a"), there.path("b"), there.path("c")});

  command nothing({"run", there.file, "--retry", third}, command::terminal::none, true);
  CHECK(nothing.wait() == 0);
  CHECK(nothing.started() == 0);
  CHECK(nothing.err().find("nothing to run") != std::string::npos);
}

TEST_CASE("the output of a run serves too: its failures alone run again") {
  missing_files there;
  CHECK(command({"run", there.file}).wait() == 1);
  command again({"run", there.file, "--retry", there.path("out.jsonl"), "--json"});
  CHECK(again.wait() == 1);
  CHECK(json::parse(again.out())["inputs"] == 2);
  CHECK(lines_of(there.path("out.jsonl")).size() == 3 + 2); // behind what was there
}

TEST_CASE("a text that is not UTF-8 comes back as it was") {
  temporary_folder folder;
  const auto odd = std::string("\xff\xfe-not-there");
  const auto lines = folder.write("lines", odd + "\n");
  const auto file =
    folder.write("job.json", job(R"("task": "test.there", "input": {"lines": "lines"})"));
  const auto failed = (folder.path() / "failed.jsonl").string();
  CHECK(command({"run", file, "--failed", failed}).wait() == 1);
  REQUIRE(lines_of(failed).front()["input"].contains("base64"));
  command again({"run", file, "--retry", failed, "--set", "output=out.jsonl"});
  CHECK(again.wait() == 1);
  CHECK(lines_of(folder.path() / "out.jsonl").front()["input"]
        == lines_of(failed).front()["input"]);
}

TEST_CASE("a file that is none of failed inputs, or no place for them, starts nothing") {
  missing_files there;
  there.write("numbers", "1\n{\"a\": 2}\n");
  there.write("broken", "{\"input\": 1, \"failure\": \n");
  there.write("wrong", "{\"input\": 7, \"failure\": {}}\n");
  const struct {
    std::vector<std::string> options;
    const char* says;
  } cases[] = {
    {{"--retry", there.path("numbers")}, "which has no \"input\""},
    {{"--retry", there.path("broken")}, "the line is:"},
    {{"--retry", there.path("wrong")}, "test.there"},
    {{"--retry", there.path("nowhere")}, "no file that can be read"},
    {{"--failed", there.path("no/where")}, "mkdir -p"},
    {{"--failed", there.path("out.jsonl")}, "the output"},
    {{"--failed", there.file}, "the configuration itself"},
    {{"--failed", "-"}, "standard output"},
    {{"--retry", there.path("wrong"), "--failed", there.path("wrong")}, "--retry"},
  };
  for (const auto& wrong : cases) {
    CAPTURE(wrong.says);
    auto arguments = wrong.options;
    arguments.insert(arguments.begin(), {"run", there.file});
    command c(arguments, command::terminal::none, true);
    CHECK(c.wait() == 2);
    CHECK(c.started() == 0);
    CAPTURE(c.err());
    CHECK(c.err().find(wrong.says) != std::string::npos);
  }
}

TEST_CASE("failed inputs that cannot be written end the job, and are told") {
  missing_files there;
  command c({"run", there.file, "--failed", "/dev/full"});
  CHECK(c.wait() == 1);
  CHECK(c.out().find("the failed inputs could not be written") != std::string::npos);
}
