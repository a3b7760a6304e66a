// ctest-needs: bulkhead_cli
// ctest-timeout: 180
// A journal that was written, and what stands in its way; tests/resume_test.cpp kills jobs.
#include "tests/support/command.hpp"
#include "tests/support/eventually.hpp"
#include "tests/support/runner_jobs.hpp"
#include "tests/support/temporary_folder.hpp"

#include <doctest/doctest.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <csignal>
#include <filesystem>
#include <string>
#include <vector>

#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

using bulkhead::testing::command;
using bulkhead::testing::content_of;
using bulkhead::testing::job;
using bulkhead::testing::temporary_folder;
using nlohmann::json;

namespace {

auto lines_in(const std::filesystem::path& file) {
  const auto text = content_of(file);
  return std::count(text.begin(), text.end(), '\n');
}

json report_of(command& c, int status) {
  CHECK(c.wait() == status);
  CAPTURE(c.err());
  auto report = json::parse(c.out(), nullptr, false);
  REQUIRE(report.is_object());
  return report;
}

/// A folder with a job that notes in a file which inputs ran.
class noting_job {
public:
  explicit noting_job(const std::string& more = "")
    : notes(folder.path() / "notes"), output(folder.path() / "out.jsonl"),
      journal((folder.path() / "journal").string()),
      file(folder.write(
        "job.json", job(R"("task": "test.leave_note", "input": {"range": {"from": 0, "to": 50}},
                            "args": [)"
                        + json(notes.string()).dump() + R"(], "output": "out.jsonl")" + more))) {}

  json run(std::vector<std::string> more = {}, int status = 0) const {
    more.insert(more.begin(), {"run", file, "--json", "--journal", journal});
    command c(std::move(more));
    return report_of(c, status);
  }

  temporary_folder folder;
  std::filesystem::path notes;
  std::filesystem::path output;
  std::string journal;
  std::string file;
};

} // namespace

TEST_CASE("a job that is done is told again, and runs nothing again") {
  const noting_job there;
  const auto first = there.run();
  const auto results = content_of(there.output);
  const auto second = there.run();
  CHECK(first["from_journal"] == 0);
  CHECK(second["from_journal"] == 50);
  CHECK(second["succeeded"] == 50);
  CHECK(second["pool"]["submitted"] == 0);
  CHECK(lines_in(there.notes) == 50);
  CHECK(content_of(there.output) == results);
}

TEST_CASE("workers, chunks and outputs may change before a job goes on") {
  const noting_job there;
  there.run();
  const auto again = there.run({"--set", "pool.workers=1", "--set", "map.chunk=7", "--set",
                                "output=other.jsonl", "--set", R"(reduce={"task": "test.sum"})"});
  CHECK(again["from_journal"] == 50);
  CHECK(again["result"] == 49 * 50 / 2);
  CHECK(lines_in(there.folder.path() / "other.jsonl") == 50);
}

TEST_CASE("a failure is an outcome; asked for, its input runs again and no other") {
  temporary_folder folder;
  const auto name = [&](const char* file) { return (folder.path() / file).string(); };
  folder.write("b", "");
  const auto file = folder.write(
    "job.json", job(R"("task": "test.there", "input": {"list": [)" + json(name("a")).dump() + ", "
                    + json(name("b")).dump() + R"(]}, "output": "out.jsonl")"));
  const auto run = [&](std::vector<std::string> more, int status) {
    more.insert(more.begin(), {"run", file, "--json", "--journal", name("journal")});
    command c(std::move(more));
    return report_of(c, status);
  };
  const auto first = run({}, 1);
  const auto told = content_of(name("out.jsonl"));
  folder.write("a", "");
  const auto second = run({}, 1);
  CHECK(second["pool"]["submitted"] == 0);
  CHECK(second["failures"] == first["failures"]);
  CHECK(content_of(name("out.jsonl")) == told);
  const auto third = run({"--resume-failed"}, 0);
  CHECK(third["pool"]["submitted"] == 1);
  CHECK(run({}, 0)["from_journal"] == 2);
}

TEST_CASE("what an interruption has cancelled runs when the job goes on") {
  temporary_folder folder;
  const auto fifo = bulkhead::testing::make_fifo(folder, "fifo");
  const auto file =
    folder.write("job.json", job(R"("task": "test.wait_for", "pool": {"workers": 1, "grace": "0 s"},
      "input": {"list": [)" + json(fifo).dump()
                                 + ", " + json(fifo).dump() + "]}"));
  const auto journal = (folder.path() / "journal").string();
  command c({"run", file, "--journal", journal});
  CHECK(c.wait_for_text("waiting for"));
  c.signal(SIGINT);
  CHECK(c.wait() == 130);
  CHECK(c.out().find("goes on from here") != std::string::npos);
  command again({"run", file, "--journal", journal, "--json"});
  const int writer = ::open(fifo.c_str(), O_WRONLY | O_CLOEXEC);
  REQUIRE(::write(writer, "xx", 2) == 2);
  CHECK(report_of(again, 0)["from_journal"] == 0);
  ::close(writer);
}

TEST_CASE("lines from a pipe are taken as the same where they are the same") {
  temporary_folder folder;
  const auto file = folder.write("job.json", job(R"("task": "test.odd_text",
    "input": {"lines": "-"}, "output": "out.jsonl")"));
  const auto run = [&](const std::string& lines, int status) {
    const auto from = folder.write("lines", lines);
    const int input = ::open(from.c_str(), O_RDONLY | O_CLOEXEC);
    command c({"run", file, "--json", "--journal", (folder.path() / "journal").string()},
              command::terminal::none, false, input);
    ::close(input);
    return report_of(c, status);
  };
  CHECK(run("one\n\xff\n", 0)["from_journal"] == 0);
  CHECK(run("one\n\xff\nthree\n", 0)["from_journal"] == 2);
  const auto other = run("one\ntwo\nthree\n", 1);
  CHECK(other["journal_error"].get<std::string>().find("input 1 is \"two\"") != std::string::npos);
  CHECK(run("one\n\xff\nthree\n", 0)["from_journal"] == 3);
}

TEST_CASE("a disk that is full ends the job, and it goes on when there is room") {
  temporary_folder folder;
  auto texts = json::array();
  for (int i = 0; i < 45; ++i)
    texts.push_back(std::to_string(i) + std::string(20'000, 'x'));
  const auto file =
    folder.write("job.json", job(R"("task": "test.odd_text", "map": {"chunk": 1, "buffersize": 2},
      "pool": {"workers": 1, "ring_capacity": "128 KiB"}, "input": {"list": )"
                                 + texts.dump() + "}"));
  const std::vector<std::string> call{"run", file, "--json", "--journal",
                                      (folder.path() / "journal").string()};
  // A limit of the size of files, which holds for the memory of rings too, is a disk that is full.
  const auto before = std::signal(SIGXFSZ, SIG_IGN); // inherited: writing then fails instead
  rlimit limit{};
  REQUIRE(::getrlimit(RLIMIT_FSIZE, &limit) == 0);
  auto less = limit;
  less.rlim_cur = 1 << 20;
  REQUIRE(::setrlimit(RLIMIT_FSIZE, &less) == 0);
  command c(call);
  REQUIRE(::setrlimit(RLIMIT_FSIZE, &limit) == 0);
  const auto full = report_of(c, 1);
  std::signal(SIGXFSZ, before);
  CHECK(full["journal_error"].is_string());
  CHECK(full["inputs"] == 45);
  command rest(call);
  const auto again = report_of(rest, 0);
  CHECK(again["from_journal"] > 0);
  CHECK(again["from_journal"] < 45);
  CHECK(again["succeeded"] == 45);
}

TEST_CASE("a journal that does not fit the job, or is none, is refused and left as it is") {
  const noting_job there;
  there.run();
  const auto folder = there.folder.path();
  const auto text = there.folder.write("text", "neither a journal nor a database\n").string();
  std::filesystem::create_directory(folder / "directory");
  bulkhead::testing::make_fifo(there.folder, "fifo");
  const struct {
    std::vector<std::string> options;
    const char* says;
  } cases[] = {
    {{"--journal", text}, "no journal"},
    {{"--journal", (folder / "directory").string()}, "a directory"},
    {{"--journal", (folder / "fifo").string()}, "FIFO"},
    {{"--journal", (folder / "no/where").string()}, "mkdir -p"},
    {{"--journal", there.file}, "the configuration itself"},
    {{"--journal", there.output.string()}, "writes to already"},
    {{"--journal", "-"}, "standard output"},
    {{"--journal", there.journal, "--set", "append=true"}, "written anew"},
    {{"--journal", there.journal, "--retry", text}, "excludes"},
    {{"--resume-failed"}, "requires"},
    {{"--journal", there.journal, "--set", "task=test.add", "--set", "args=[1]"}, "its args is"},
    {{"--journal", there.journal, "--set", "input.range.to=51"}, "its input is"},
    {{"--journal", there.journal, "--set", R"(input={"list": [1]})"}, "its input is"},
  };
  for (const auto& wrong : cases) {
    CAPTURE(wrong.says);
    auto arguments = wrong.options;
    arguments.insert(arguments.begin(), {"run", there.file});
    command c(arguments);
    CHECK(c.wait() == 2);
    CAPTURE(c.err());
    CHECK(c.err().find(wrong.says) != std::string::npos);
  }
  CHECK(content_of(text) == "neither a journal nor a database\n");
  CHECK(there.run()["from_journal"] == 50);
}

TEST_CASE("a journal that a running job writes is refused to another one") {
  temporary_folder folder;
  const auto fifo = bulkhead::testing::make_fifo(folder, "fifo");
  const auto file = folder.write(
    "job.json", job(R"("task": "test.wait_for", "input": {"list": [)" + json(fifo).dump() + "]}"));
  const auto journal = (folder.path() / "journal").string();
  command first({"run", file, "--journal", journal});
  CHECK(first.wait_for_text("waiting for"));
  command second({"run", file, "--journal", journal});
  CHECK(second.wait() == 2);
  CHECK(second.err().find("runs now") != std::string::npos);
  const int writer = ::open(fifo.c_str(), O_WRONLY | O_CLOEXEC);
  REQUIRE(::write(writer, "x", 1) == 1);
  CHECK(first.wait() == 0);
  ::close(writer);
}
