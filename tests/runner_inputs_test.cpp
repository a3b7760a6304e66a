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
#include <string>
#include <string_view>
#include <thread>

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

/// A pipe: what the test writes is what the command reads.
class writer {
public:
  writer() {
    int fds[2];
    REQUIRE(::pipe2(fds, O_CLOEXEC) == 0);
    theirs_ = fds[0];
    ours_ = fds[1];
  }
  writer(const writer&) = delete;
  writer& operator=(const writer&) = delete;
  ~writer() {
    close();
    ::close(theirs_);
  }

  int theirs() const noexcept { return theirs_; }
  int ours() const noexcept { return ours_; }

  void write(std::string_view text) const {
    REQUIRE(::write(ours_, text.data(), text.size()) == static_cast<ssize_t>(text.size()));
  }

  void close() {
    if (ours_ >= 0)
      ::close(ours_);
    ours_ = -1;
  }

private:
  int theirs_ = -1;
  int ours_ = -1;
};

constexpr auto plain = command::terminal::none;

} // namespace

TEST_CASE("tasks run and their results are out while standard input has not ended") {
  const temporary_folder folder;
  const auto file =
    folder.write("job.json", R"({"task": "bulkhead.echo", "input": {"lines": "-"}, "output": "-",
                    "map": {"chunk": 16}})");
  writer in;
  command c({"run", file, "--no-progress"}, plain, false, in.theirs());
  for (const std::string line : {"a", "b", "c"}) {
    in.write(line + "\r\n");
    REQUIRE(c.wait_for_text("{\"input\":\"" + line + "\",\"result\":\"" + line + "\"}\n"));
  }
  in.write("without newline");
  in.close();
  CHECK(c.wait() == 0);
  CHECK(c.out().ends_with("{\"input\":\"without newline\",\"result\":\"without newline\"}\n"));
  CHECK(c.err().find("4 succeeded, 0 failed of 4") != std::string::npos);
}

TEST_CASE("a FIFO may be an input, and its writer may come later") {
  const temporary_folder folder;
  const auto fifo = make_fifo(folder, "in");
  const auto file =
    folder.write("job.json", job(R"("task": "test.square", "input": {"json_lines": "in"})"));
  command validation({"validate", file});
  CHECK(validation.wait() == 0);
  CHECK(validation.out().find("counted as they come") != std::string::npos);
  command c({"run", file, "--json"});
  REQUIRE(c.wait_for_text("0 of 0 read"));
  const int fd = ::open(fifo.c_str(), O_WRONLY | O_CLOEXEC);
  REQUIRE(::write(fd, "3\n\n4\n", 5) == 5);
  ::close(fd);
  CHECK(c.wait() == 0);
  const auto report = json::parse(c.out());
  CHECK(report["inputs"] == 2);
  CHECK(report["succeeded"] == 2);
  CHECK(report["inputs_unread"] == false);
}

TEST_CASE("an input that ends without a line is a job with nothing to do") {
  const temporary_folder folder;
  const auto file =
    folder.write("job.json", R"({"task": "bulkhead.echo", "input": {"lines": "-"}})");
  writer in;
  in.close();
  command c({"run", file}, plain, false, in.theirs());
  CHECK(c.wait() == 0);
  CHECK(c.out().find("0 succeeded, 0 failed of 0") != std::string::npos);
}

TEST_CASE("Ctrl-C ends a job whose input has not ended, with exact counts") {
  const temporary_folder folder;
  const auto file = folder.write(
    "job.json", R"({"task": "bulkhead.echo", "input": {"lines": "-"}, "output": "out"})");
  writer in;
  command c({"run", file, "--json"}, plain, false, in.theirs());
  in.write("a\nb\nhalf a line");
  const auto out = folder.path() / "out";
  CHECK(eventually([&] { return content_of(out).find("\"b\"}\n") != std::string::npos; },
                   std::chrono::seconds{60}));
  c.signal(SIGINT);
  CHECK(c.wait() == 130);
  const auto report = json::parse(c.out());
  CHECK(report["inputs"] == 2);
  CHECK(report["succeeded"] == 2);
  CHECK(report["cancelled"] == 0);
  CHECK(report["not_started"] == 0);
  CHECK(report["inputs_unread"] == true);
}

TEST_CASE("a writer waits while the job has no room for its lines") {
  const temporary_folder folder;
  const auto gate = make_fifo(folder, "gate");
  const auto file =
    folder.write("job.json", job(R"("task": "test.wait_for", "input": {"lines": "-"},
                       "map": {"chunk": 1, "buffersize": 1}, "pool": {"workers": 1, "grace": 0})"));
  writer in;
  in.write(gate + "\n");
  command c({"run", file}, plain, false, in.theirs());
  REQUIRE(c.wait_for_text("waiting for"));
  ::fcntl(in.ours(), F_SETFL, O_NONBLOCK);
  const std::string lines(4096, '\n');
  std::size_t taken = 0;
  while (taken < (std::size_t{16} << 20) && ::write(in.ours(), lines.data(), lines.size()) > 0)
    taken += lines.size();
  REQUIRE(c.wait_for_text("0 of 1 read"));
  CHECK(::write(in.ours(), lines.data(), lines.size()) == -1);
  CHECK(taken < (std::size_t{1} << 20));
  c.signal(SIGINT);
  CHECK(c.wait() == 130);
  CHECK(c.out().find(" of 1 in ") != std::string::npos);
}

TEST_CASE("the progress line names an input that does not come") {
  const temporary_folder folder;
  const auto file =
    folder.write("job.json", R"({"task": "bulkhead.echo", "input": {"lines": "-"}})");
  writer in;
  in.write("a\n");
  command c({"run", file}, plain, false, in.theirs());
  CHECK(c.wait_for_text("1 of 1 read"));
  CHECK(c.wait_for_text("waits for standard input, after line 1, for"));
  in.close();
  CHECK(c.wait() == 0);
}

TEST_CASE("a wrong line of JSON costs its input, and is told with number, value and remedy") {
  const temporary_folder folder;
  const auto text = "{\"a\": 1,}\n\"x\"\n7\n\xff\n"
                    "\"y\"";
  const auto file = folder.write(
    "job.json", R"({"task": "bulkhead.echo", "input": {"json_lines": "-"}, "output": "out"})");
  writer in;
  in.write(text);
  in.close();
  command c({"run", file}, plain, false, in.theirs());
  CHECK(c.wait() == 1);
  CHECK(c.out().find("2 succeeded, 3 failed of 5") != std::string::npos);
  CHECK(c.out().find("line 1, column 8: a comma stands before the closing }; the line is: "
                     "{\"a\": 1,}; expected: a further value, or no comma; remedy: remove")
        != std::string::npos);
  CHECK(c.out().find("line 4, column 1: this byte is not UTF-8") != std::string::npos);
  CHECK(c.out().find("expected a text, got number 7") != std::string::npos);

  // In a file the same lines are found before anything starts.
  folder.write("lines.jsonl", text);
  command early({"run", file, "--set", "input={\"json_lines\": \"lines.jsonl\"}"});
  CHECK(early.wait() == 2);
  CHECK(early.err().find("lines.jsonl:1:8: a comma stands before") != std::string::npos);
  CHECK(early.err().find("lines.jsonl:3:1: the input is 7, which does not fit")
        != std::string::npos);
  CHECK(early.err().find("lines.jsonl:4:1: this byte is not UTF-8") != std::string::npos);
  CHECK(early.err().find("3 problems") != std::string::npos);
}

TEST_CASE("each line of JSON may be a list of arguments") {
  const temporary_folder folder;
  folder.write("lines.jsonl", "\xEF\xBB\xBF[1, 2]\r\n\r\n[3, 4]\n");
  const auto file =
    folder.write("job.json", job(R"("task": "test.add", "input": {"json_lines": "lines.jsonl"},
                       "map": {"spread": true}, "output": "-")"));
  command c({"run", file, "--no-progress"});
  CHECK(c.wait() == 0);
  CHECK(c.out() == "{\"input\":[1,2],\"result\":3}\n{\"input\":[3,4],\"result\":7}\n");

  writer in;
  in.write("5\n[1]\n[5, 6]\n");
  in.close();
  command wrong({"run", file, "--no-progress", "--set", "input={\"json_lines\": \"-\"}"}, plain,
                false, in.theirs());
  CHECK(wrong.wait() == 1);
  CHECK(wrong.err().find("line 1 is 5, but map.spread is true") != std::string::npos);
  CHECK(wrong.err().find("1 succeeded, 2 failed of 3") != std::string::npos);
}

TEST_CASE("a line that is too long costs its input, not the memory of the command") {
  const temporary_folder folder;
  folder.write("lines", std::string(100'000, 'x') + "\nshort\n" + std::string(100'000, 'y'));
  const auto file = folder.write(
    "job.json", R"({"task": "bulkhead.echo", "input": {"lines": "lines"}, "output": "out",
                    "pool": {"queue_bytes": "64KiB"}})");
  command c({"run", file});
  CHECK(c.wait() == 1);
  CHECK(c.out().find("1 succeeded, 2 failed of 3") != std::string::npos);
  CHECK(c.out().find("line 1 is longer than pool.queue_bytes, 64KiB") != std::string::npos);
  CHECK(c.out().find("line 3 is longer") != std::string::npos);
}

TEST_CASE("standard input that cannot be read is refused, and a file of that name can be read") {
  const temporary_folder folder;
  const auto file =
    folder.write("job.json", R"({"task": "bulkhead.echo", "input": {"lines": "-"}})");
  const int closed = ::open("/dev/null", O_WRONLY | O_CLOEXEC);
  command c({"run", file}, plain, false, closed);
  CHECK(c.wait() == 2);
  CHECK(c.err().find("open for writing only") != std::string::npos);
  ::close(closed);

  folder.write("-", "a\nb\n");
  command named({"run", file, "--set", "input.lines=./-"});
  CHECK(named.wait() == 0);
  CHECK(named.out().find("2 succeeded") != std::string::npos);
}

TEST_CASE("tasks find nothing on a standard input that has the inputs of the job") {
  const temporary_folder folder;
  const auto file = folder.write(
    "job.json", job(R"("task": "test.bytes_of_input", "input": {"lines": "-"}, "output": "-",
           "map": {"chunk": 1}, "pool": {"workers": 1})"));
  writer in;
  command c({"run", file, "--no-progress"}, plain, false, in.theirs());
  in.write("a\n");
  REQUIRE(c.wait_for_text("{\"input\":\"a\",\"result\":0}\n"));
  in.write("b\n");
  in.close();
  CHECK(c.wait() == 0);
  CHECK(c.out() == "{\"input\":\"a\",\"result\":0}\n{\"input\":\"b\",\"result\":0}\n");
}

TEST_CASE("how far a task says it is, is shown, and is forgotten with it") {
  const temporary_folder folder;
  const auto gate = make_fifo(folder, "gate");
  const int fd = ::open(gate.c_str(), O_RDWR | O_CLOEXEC);
  const auto text = [&](const char* task) {
    return job("\"task\": \"" + std::string(task) + "\", \"args\": [\"" + gate
               + "\"], \"pool\": {\"workers\": 1, \"grace\": \"50ms\"}");
  };
  command c({"run", folder.write("job.json", text("test.wait_at_40_percent")), "--json"});
  CHECK(c.wait_for_text("running 40%"));
  c.signal(SIGINT);
  CHECK(c.wait() == 130);
  CHECK(json::parse(c.out())["workers"][0]["progress"] == 0.4);

  command next({"run", folder.write("job.json", text("test.wait_at_40_percent")), "--json"});
  CHECK(next.wait_for_text("running 40%"));
  REQUIRE(::write(fd, "x", 1) == 1);
  CHECK(next.wait() == 0);
  CHECK(json::parse(next.out())["workers"][0]["progress"] == 0);
  ::close(fd);
}
