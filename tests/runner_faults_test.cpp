// ctest-needs: bulkhead_cli
// ctest-timeout: 180
#include "tests/support/command.hpp"
#include "tests/support/eventually.hpp"
#include "tests/support/runner_jobs.hpp"
#include "tests/support/temporary_folder.hpp"

#include <doctest/doctest.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <thread>
#include <utility>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

using bulkhead::testing::command;
using bulkhead::testing::content_of;
using bulkhead::testing::job;
using bulkhead::testing::make_fifo;
using bulkhead::testing::temporary_folder;
using bulkhead::tests::eventually;
using nlohmann::json;

namespace {

/// Three tasks that wait for a byte of the FIFO each, one at a time, with room for one to wait.
std::string hung_job(const std::string& gate) {
  return job(R"("task": "test.wait_for", "input": {"list": [")" + gate + "\", \"" + gate + "\", \""
             + gate + R"("]}, "map": {"chunk": 1}, "output": "out.jsonl",
             "pool": {"workers": 1, "grace": "50ms", "queue_capacity": 1})");
}

} // namespace

TEST_CASE("a result is in the file as soon as its task has ended, though the job is killed later") {
  const temporary_folder folder;
  const auto gate = make_fifo(folder, "gate");
  const int fd = ::open(gate.c_str(), O_RDWR | O_CLOEXEC);
  command c({"run", folder.write("job.json", hung_job(gate)), "--no-progress"});
  REQUIRE(c.wait_for_text("waiting for"));
  REQUIRE(::write(fd, "x", 1) == 1);
  const auto out = folder.path() / "out.jsonl";
  CHECK(eventually([&] { return content_of(out).find("released") != std::string::npos; },
                   std::chrono::seconds{60}));
  c.signal(SIGKILL);
  CHECK(c.wait() == 1000 + SIGKILL);
  CHECK(content_of(out).find("released") != std::string::npos);
  ::close(fd);
}

TEST_CASE("signals end a job whose inputs wait for room in the queue") {
  const temporary_folder folder;
  const auto gate = make_fifo(folder, "gate");
  const int fd = ::open(gate.c_str(), O_RDWR | O_CLOEXEC);
  for (const auto& [signal, name] :
       {std::pair{SIGINT, "SIGINT"}, {SIGHUP, "SIGHUP"}, {SIGQUIT, "SIGQUIT"}}) {
    CAPTURE(name);
    command c({"run", folder.write("job.json", hung_job(gate)), "--json"});
    REQUIRE(c.wait_for_text("waiting for"));
    c.signal(signal);
    CHECK(c.wait() == 128 + signal);
    const auto report = json::parse(c.out());
    CHECK(report["interrupted"] == name);
    CHECK(report["succeeded"] == 0);
    CHECK(c.err().find("100%") == std::string::npos);
  }
  ::close(fd);
}

TEST_CASE("Ctrl-C ends a job whose output is a FIFO that nobody reads") {
  const temporary_folder folder;
  make_fifo(folder, "out");
  command c({"run", folder.write("job.json", R"({"task": "bulkhead.echo", "args": ["a"],
    "output": "out", "pool": {"grace": "50ms"}})")});
  REQUIRE(c.wait_for_text("0/1"));
  c.signal(SIGINT);
  CHECK(c.wait() == 130);
}

TEST_CASE("a link to an input is no output, and the input stays as it is") {
  const temporary_folder folder;
  const auto data = folder.write("data.txt", "precious");
  std::filesystem::create_symlink(data, folder.path() / "soft");
  std::filesystem::create_hard_link(data, folder.path() / "hard");
  const auto file = folder.write(
    "job.json", R"({"task": "bulkhead.echo", "input": {"glob": "data.txt"}, "output": "x"})");
  for (const std::string link : {"soft", "hard"}) {
    command c({"run", file, "--set", "output=" + (folder.path() / link).string()});
    CHECK(c.wait() == 2);
    CHECK(c.err().find("one of the inputs") != std::string::npos);
  }
  CHECK(content_of(data) == "precious");
}

TEST_CASE("append keeps what the output has") {
  const temporary_folder folder;
  const auto file = folder.write(
    "job.json", R"({"task": "bulkhead.echo", "args": ["a"], "output": "out", "append": true})");
  for (int i = 0; i < 2; ++i) {
    command c({"run", file});
    CHECK(c.wait() == 0);
  }
  const auto text = content_of(folder.path() / "out");
  CHECK(std::count(text.begin(), text.end(), '\n') == 2);
}

TEST_CASE("with results on standard output, what tasks print there goes to standard error") {
  const temporary_folder folder;
  const auto file = folder.write(
    "job.json", job(R"("task": "test.loud", "input": {"list": ["a", "b"]}, "output": "-")"));
  command c({"run", file, "--no-progress"});
  CHECK(c.wait() == 0);
  CHECK(c.out() == "{\"input\":\"a\",\"result\":\"a\"}\n{\"input\":\"b\",\"result\":\"b\"}\n");
  CHECK(c.err().find("loud a") != std::string::npos);
}

TEST_CASE("the directory of a job is a name, not a pattern") {
  const temporary_folder folder;
  std::filesystem::create_directory(folder.path() / "d[1]");
  std::filesystem::create_directory(folder.path() / "d1");
  folder.write("d[1]/right.txt", "");
  folder.write("d1/wrong.txt", "");
  const auto file = folder.write(
    "d[1]/job.json", R"({"task": "bulkhead.echo", "input": {"glob": "*.txt"}, "output": "-"})");
  command c({"run", file});
  CHECK(c.wait() == 0);
  CHECK(c.out().find("d[1]/right.txt") != std::string::npos);
  CHECK(c.out().find("wrong") == std::string::npos);
}

TEST_CASE("results that JSON has no words for are told apart from null and from each other") {
  const temporary_folder folder;
  const auto file = folder.write(
    "job.json",
    job(R"("task": "test.odd_text", "input": {"list": ["ok", "bytes"]}, "output": "-")"));
  command text({"run", file});
  CHECK(text.wait() == 0);
  CHECK(text.out().find(R"("result":"ok")") != std::string::npos);
  CHECK(text.out().find(R"("result":{"base64":"//4="})") != std::string::npos);
  command number({"run", file, "--set", "task=test.odd_number"});
  CHECK(number.wait() == 0);
  CHECK(number.out().find(R"("result":"NaN")") != std::string::npos);
  CHECK(number.out().find(R"("result":"-Infinity")") != std::string::npos);
}

TEST_CASE("a failure in the output has index, type, exit and whether the task may have run") {
  const temporary_folder folder;
  const auto file = folder.write("job.json", job(R"("task": "test.misbehave",
    "input": {"list": ["throw", "exit"]}, "map": {"chunk": 1}, "output": "-")"));
  command c({"run", file, "--no-progress"});
  CHECK(c.wait() == 1);
  const auto end = c.out().find('\n');
  const auto thrown = json::parse(c.out().substr(0, end))["failure"];
  const auto exited = json::parse(c.out().substr(end + 1))["failure"];
  CHECK(thrown["type"] == "std::runtime_error");
  CHECK(exited["index"] == 1);
  CHECK(exited["exit"]["code"] == 3);
  CHECK(exited["may_have_executed"] == true);
}

TEST_CASE("a large wrong job is told in a bounded report with the number of its problems") {
  const temporary_folder folder;
  std::string list;
  for (int i = 0; i < 8000; ++i)
    list += i == 0 ? "1" : ",1";
  const auto file =
    folder.write("job.json", R"({"task": "bulkhead.echo", "input": {"list": [)" + list + "]}}");
  command c({"validate", file});
  CHECK(c.wait() == 2);
  CHECK(c.err().find("... and 7900 more") != std::string::npos);
  CHECK(c.err().find("8000 problems") != std::string::npos);
}

TEST_CASE("numbers are exact, or refused once") {
  const temporary_folder folder;
  const auto file = folder.write("job.json", job(R"("task": "test.whole", "output": "-")"));
  command largest({"run", file, "--set", "args=[18446744073709551615]"});
  CHECK(largest.wait() == 0);
  CHECK(largest.out().find("18446744073709551615") != std::string::npos);
  command power({"run", file, "--set", "args=[1e17]"});
  CHECK(power.wait() == 0);
  CHECK(power.out().find("100000000000000000") != std::string::npos);
  const auto wrong = folder.write("wrong.json", job(R"("task": "test.whole", "args": [-1e400])"));
  command refused({"run", wrong});
  CHECK(refused.wait() == 2);
  CHECK(refused.err().find("too large for a number") != std::string::npos);
  CHECK(refused.err().find("1 problem;") != std::string::npos);
}
