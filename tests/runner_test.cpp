// ctest-needs: bulkhead_cli
// ctest-needs: word_count
// ctest-timeout: 180
#include "tests/support/bad_configs.hpp"
#include "tests/support/command.hpp"
#include "tests/support/runner_jobs.hpp"
#include "tests/support/temporary_folder.hpp"

#include <doctest/doctest.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <csignal>
#include <fstream>
#include <iterator>
#include <set>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

using bulkhead::testing::bad_configs;
using bulkhead::testing::command;
using bulkhead::testing::content_of;
using bulkhead::testing::job;
using bulkhead::testing::runner_tasks;
using bulkhead::testing::temporary_folder;
using nlohmann::json;

namespace {

std::vector<json> lines_of(const std::string& text) {
  std::vector<json> lines;
  for (std::size_t at = 0; at < text.size();) {
    const auto end = text.find('\n', at);
    lines.push_back(json::parse(text.substr(at, end - at)));
    at = end + 1;
  }
  return lines;
}

struct fifo {
  explicit fifo(const temporary_folder& folder) : path(folder.path() / "gate") {
    REQUIRE(::mkfifo(path.c_str(), 0600) == 0);
    // Open for both directions, so that readers wait for a byte and not for a writer.
    fd = ::open(path.c_str(), O_RDWR | O_CLOEXEC);
  }
  ~fifo() { ::close(fd); }
  void release() const { REQUIRE(::write(fd, "x", 1) == 1); }

  std::filesystem::path path;
  int fd;
};

} // namespace

TEST_CASE("each bad configuration ends with status 2 and starts no process") {
  const temporary_folder folder;
  for (const auto& bad : bad_configs()) {
    CAPTURE(bad.name);
    command c({"run", folder.write("job.json", bad.text)}, command::terminal::none, true);
    CHECK(c.wait() == 2);
    CHECK(c.started() == 0);
    CHECK(c.out().empty());
    CHECK(c.err().find("nothing was started") != std::string::npos);
    CHECK(c.err().find("remedy:") != std::string::npos);
  }
}

TEST_CASE("a job that runs starts processes: the count of the test above is true") {
  const temporary_folder folder;
  command c({"run", folder.write("job.json", R"({"task": "bulkhead.echo", "args": ["a"]})")},
            command::terminal::none, true);
  CHECK(c.wait() == 0);
  CHECK(c.started() > 0);
}

TEST_CASE("results come in the order of the inputs, one JSON value a line") {
  const temporary_folder folder;
  const auto file =
    folder.write("job.json", job(R"("task": "test.square", "input": {"range": {"to": 1000}},
    "output": "out.jsonl", "pool": {"workers": 2})"));
  command c({"run", file, "--no-progress"});
  CHECK(c.wait() == 0);
  CHECK(c.err().empty());
  CHECK(c.out().find("1000 succeeded, 0 failed of 1000") != std::string::npos);
  const auto lines = lines_of(content_of(folder.path() / "out.jsonl"));
  REQUIRE(lines.size() == 1000);
  for (std::int64_t i = 0; i < 1000; ++i)
    CHECK(lines[static_cast<std::size_t>(i)] == json{{"input", i}, {"result", i * i}});
}

TEST_CASE("the table has a row for each worker and the rows add up to all tasks") {
  const temporary_folder folder;
  const auto file =
    folder.write("job.json", job(R"("task": "test.square", "input": {"range": {"to": 500}},
    "pool": {"workers": 2, "max_tasks_per_worker": 50}, "map": {"chunk": 1})"));
  command c({"run", file, "--json"});
  CHECK(c.wait() == 0);
  const auto report = json::parse(c.out());
  CHECK(report["exit_status"] == 0);
  CHECK(report["succeeded"] == 500);
  CHECK(report["workers"].size() == 2);
  std::uint64_t tasks = 0;
  std::uint64_t recycled = 0;
  for (const auto& row : report["workers"]) {
    tasks += row["tasks"].get<std::uint64_t>();
    recycled += row["recycled"].get<std::uint64_t>();
  }
  CHECK(tasks == 500);
  CHECK(recycled >= 8);
}

TEST_CASE("failures are listed with kind and message, and all else is delivered") {
  const temporary_folder folder;
  const auto file = folder.write("job.json", job(R"("task": "test.misbehave",
    "input": {"list": ["a", "throw", "crash", "kill", "exit", "b"]}, "output": "out.jsonl",
    "pool": {"workers": 2}, "map": {"chunk": 1})"));
  command c({"run", file, "--no-progress"});
  CHECK(c.wait() == 1);
  INFO(c.out());
  CHECK(c.out().find("2 succeeded, 4 failed of 6") != std::string::npos);
  CHECK(c.out().find("1 task_exception, 3 worker_died") != std::string::npos);
  CHECK(c.out().find("input 1 (\"throw\"): task_exception") != std::string::npos);
  CHECK(c.out().find("thrown on purpose") != std::string::npos);
  CHECK(c.out().find("SIGSEGV") != std::string::npos);
  const auto lines = lines_of(content_of(folder.path() / "out.jsonl"));
  REQUIRE(lines.size() == 6);
  CHECK(lines[5] == json{{"input", "b"}, {"result", "b"}});
  CHECK(lines[2]["failure"]["kind"] == "worker_died");
}

TEST_CASE("only the first 20 failures are listed, and their number is told") {
  const temporary_folder folder;
  std::string list;
  for (int i = 0; i < 50; ++i)
    list += (i == 0 ? "" : ", ") + std::string("\"throw\"");
  const auto file =
    folder.write("job.json", job(R"("task": "test.misbehave", "input": {"list": [)" + list + "]}"));
  command text({"run", file});
  CHECK(text.wait() == 1);
  CHECK(text.out().find("... and 30 more") != std::string::npos);
  command c({"run", file, "--json"});
  CHECK(c.wait() == 1);
  const auto report = json::parse(c.out());
  CHECK(report["failed"] == 50);
  CHECK(report["failures"].size() == 20);
  CHECK(report["failures"][0]["type"] == "std::runtime_error");
}

TEST_CASE("a reduction merges all results in the workers") {
  const temporary_folder folder;
  const auto file = folder.write(
    "job.json", job(R"("task": "test.square", "input": {"range": {"from": 1, "to": 1001}},
    "reduce": {"task": "test.sum", "batch": 7})"));
  command c({"run", file, "--json"});
  CHECK(c.wait() == 0);
  CHECK(json::parse(c.out())["result"] == 333833500);
}

TEST_CASE("args follow the input, and spread takes a list apart") {
  const temporary_folder folder;
  const auto file = folder.write(
    "job.json",
    job(R"("task": "test.add", "input": {"list": [1, 2]}, "args": [10], "output": "-")"));
  command fixed({"run", file});
  CHECK(fixed.wait() == 0);
  CHECK(lines_of(fixed.out())
        == std::vector<json>{{{"input", 1}, {"result", 11}}, {{"input", 2}, {"result", 12}}});
  CHECK(fixed.err().find("2 succeeded") != std::string::npos);
  command spread({"run", file, "--set", "args=[]", "--set", "input.list=[[1, 2], [3, 4]]", "--set",
                  "map.spread=true"});
  CHECK(spread.wait() == 0);
  CHECK(lines_of(spread.out())[1]["result"] == 7);
}

TEST_CASE("lines of a file are inputs, with and without a last newline") {
  const temporary_folder folder;
  folder.write("lines.txt", "one\r\ntwo\n\nfour");
  const auto file = folder.write(
    "job.json", R"({"task": "bulkhead.echo", "input": {"lines": "lines.txt"}, "output": "-"})");
  command c({"run", file});
  CHECK(c.wait() == 0);
  const auto lines = lines_of(c.out());
  REQUIRE(lines.size() == 4);
  CHECK(lines[0]["result"] == "one");
  CHECK(lines[2]["result"] == "");
  CHECK(lines[3]["result"] == "four");
}

TEST_CASE("settings and libraries of the command line are used") {
  const temporary_folder folder;
  const auto file =
    folder.write("job.json", R"({"task": "test.square", "input": {"list": [3]}, "output": "-"})");
  command c({"run", file, "--load", runner_tasks, "--set", "input.list=[5]"});
  CHECK(c.wait() == 0);
  CHECK(lines_of(c.out())[0]["result"] == 25);
  command missing({"run", file, "--load", "/nowhere/lib.so"});
  CHECK(missing.wait() == 2);
  CHECK(missing.err().find("--load is /nowhere/lib.so, which does not exist") != std::string::npos);
}

TEST_CASE("a job that is wrong is told as JSON, too") {
  const temporary_folder folder;
  command c({"run", folder.write("job.json", R"({"task": "nothing"})"), "--json"});
  CHECK(c.wait() == 2);
  const auto document = json::parse(c.out());
  CHECK(document["exit_status"] == 2);
  CHECK(document["problems"][0]["line"] == 1);
  CHECK(document["problems"][0]["problem"].get<std::string>().find("task is \"nothing\"") == 0);
}

TEST_CASE("validate starts nothing and says what a run would do") {
  const temporary_folder folder;
  const auto file = folder.write(
    "job.json",
    R"({"task": "bulkhead.echo", "input": {"list": ["a", "b"]}, "pool": {"workers": 3}})");
  command c({"validate", file}, command::terminal::none, true);
  CHECK(c.wait() == 0);
  CHECK(c.started() == 0);
  CHECK(c.out().find("good; bulkhead.echo on 2 inputs, 3 workers") != std::string::npos);
}

TEST_CASE("list names each task with its types") {
  command c({"list", "--load", runner_tasks});
  CHECK(c.wait() == 0);
  CHECK(c.out().find("test.sum") != std::string::npos);
  CHECK(c.out().find("(list of whole number) -> whole number") != std::string::npos);
  command as_json({"list", "--json"});
  CHECK(as_json.wait() == 0);
  CHECK(json::parse(as_json.out())["tasks"][0]["name"] == "bulkhead.echo");
}

TEST_CASE("a wrong call ends with status 2 and a hint") {
  const std::vector<std::pair<std::vector<std::string>, std::string>> calls{
    {{"rum", "x.json"}, "did you mean \"run\"?"},
    {{"run", "x.json", "--no-progres"}, "did you mean \"--no-progress\"?"},
    {{"run"}, "FILE is required"},
    {{}, "subcommand is required"},
    {{"run", "nowhere.json"}, "No such file"}};
  for (const auto& [arguments, hint] : calls) {
    command c(arguments);
    CHECK(c.wait() == 2);
    CAPTURE(c.err());
    CHECK(c.err().find(hint) != std::string::npos);
  }
  command help({"--help"});
  CHECK(help.wait() == 0);
  CHECK(help.out().find("validate") != std::string::npos);
  command version({"--version"});
  CHECK(version.wait() == 0);
}

TEST_CASE("a terminal gets a bar, a pipe gets lines, and --no-progress nothing") {
  const temporary_folder folder;
  const auto file =
    folder.write("job.json", R"({"task": "bulkhead.echo", "input": {"list": ["a"]}})");
  command bar({"run", file}, command::terminal::standard_error);
  CHECK(bar.wait() == 0);
  CHECK(bar.err().find("\r[====") != std::string::npos);
  CHECK(bar.err().find("] 100%  1/1") != std::string::npos);
  command lines({"run", file});
  CHECK(lines.wait() == 0);
  CHECK(lines.err().find("100%  1/1") == 0);
  CHECK(lines.err().find('\r') == std::string::npos);
  command none({"run", file, "--no-progress"}, command::terminal::standard_error);
  CHECK(none.wait() == 0);
  CHECK(none.err().empty());
}

TEST_CASE("the first Ctrl-C lets the running task finish and drops the rest") {
  const temporary_folder folder;
  const fifo gate(folder);
  const auto file = folder.write(
    "job.json", job(R"("task": "test.wait_for", "input": {"list": [")" + gate.path.string()
                    + "\", \"" + gate.path.string() + "\", \"" + gate.path.string()
                    + R"("]}, "pool": {"workers": 1, "grace": "60s"}, "map": {"chunk": 1})"));
  command c({"run", file, "--json", "--no-progress"});
  REQUIRE(c.wait_for_text("waiting for"));
  c.signal(SIGINT);
  REQUIRE(c.wait_for_text("no more inputs"));
  gate.release();
  CHECK(c.wait() == 130);
  const auto report = json::parse(c.out());
  CHECK(report["interrupted"] == "SIGINT");
  CHECK(report["succeeded"] == 1);
  CHECK(report["failed"] == 0);
  CHECK(report["cancelled"].get<int>() + report["not_started"].get<int>() == 2);
}

TEST_CASE("after the grace a task that does not finish is cut off, and the table is printed") {
  const temporary_folder folder;
  const fifo gate(folder);
  const auto file = folder.write(
    "job.json", job(R"("task": "test.wait_for", "input": {"list": [")" + gate.path.string()
                    + R"("]}, "pool": {"workers": 1, "grace": "50ms"})"));
  command c({"run", file});
  REQUIRE(c.wait_for_text("waiting for"));
  c.signal(SIGINT);
  CHECK(c.wait() == 130);
  CHECK(c.out().find("pid  tasks") != std::string::npos);
  CHECK(c.out().find("1 cancelled") != std::string::npos);
  CHECK(c.out().find("interrupted by Ctrl-C") != std::string::npos);
}

TEST_CASE("the second Ctrl-C kills without waiting for the grace") {
  const temporary_folder folder;
  const fifo gate(folder);
  const auto file = folder.write(
    "job.json", job(R"("task": "test.wait_for", "input": {"list": [")" + gate.path.string()
                    + R"("]}, "pool": {"workers": 1, "grace": "300s"})"));
  command c({"run", file});
  REQUIRE(c.wait_for_text("waiting for"));
  c.signal(SIGINT);
  REQUIRE(c.wait_for_text("no more inputs"));
  c.signal(SIGINT);
  CHECK(c.wait() == 130);
}

TEST_CASE("SIGTERM ends a job as Ctrl-C does, with status 143") {
  const temporary_folder folder;
  const fifo gate(folder);
  const auto file = folder.write(
    "job.json", job(R"("task": "test.wait_for", "input": {"list": [")" + gate.path.string()
                    + R"("]}, "pool": {"workers": 1, "grace": "50ms"})"));
  command c({"run", file, "--json"});
  REQUIRE(c.wait_for_text("waiting for"));
  c.signal(SIGTERM);
  CHECK(c.wait() == 143);
  CHECK(json::parse(c.out())["interrupted"] == "SIGTERM");
}

TEST_CASE("a reader that goes away ends the job without a crash") {
  const temporary_folder folder;
  const auto file = folder.write(
    "job.json",
    job(R"("task": "test.square", "input": {"range": {"to": 100000000}}, "output": "-")"));
  command c({"run", file, "--no-progress"});
  REQUIRE(c.wait_for_text("\"result\""));
  c.close_output();
  CHECK(c.wait() == 1);
  CHECK(c.err().find("could not be written") != std::string::npos);
}

TEST_CASE("threads and the caller run jobs as processes do") {
  const temporary_folder folder;
  for (const std::string start : {"forkserver", "spawn", "fork", "thread", "eager"}) {
    CAPTURE(start);
    const auto file = folder.write(
      "job.json", job("\"task\": \"test.square\", \"input\": {\"range\": {\"to\": 100}}, "
                      "\"reduce\": {\"task\": \"test.sum\"}, \"pool\": {\"start\": \""
                      + start + "\", \"workers\": 2}"));
    command c({"run", file, "--json"});
    CHECK(c.wait() == 0);
    INFO(c.err());
    CHECK(json::parse(c.out())["result"] == 328350);
  }
}
