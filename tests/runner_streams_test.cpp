// ctest-needs: bulkhead_cli
// ctest-timeout: 180
#include "tests/support/command.hpp"
#include "tests/support/runner_jobs.hpp"
#include "tests/support/temporary_folder.hpp"

#include <doctest/doctest.h>
#include <nlohmann/json.hpp>

#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

using bulkhead::testing::command;
using bulkhead::testing::content_of;
using bulkhead::testing::job;
using bulkhead::testing::temporary_folder;

namespace {

const std::string program = BULKHEAD_BINARY_DIR "/bin/bulkhead";

/// The exit status of a shell's command line, with errors in a file.
int shell(const std::string& line) {
  const int status = std::system(line.c_str());
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/// A job that waits for a byte of the FIFO "gate" beside it, and has one result.
std::string waiting_job(const temporary_folder& folder, const std::string& more) {
  const auto gate = (folder.path() / "gate").string();
  return job(R"("task": "test.wait_for", "args": [")" + gate + R"("], "output": "out")" + more);
}

} // namespace

TEST_CASE("a report that cannot be written is an error") {
  const temporary_folder folder;
  const auto job = folder.write("job.json", R"({"task": "bulkhead.echo", "args": ["a"]})").string();
  const auto log = (folder.path() / "log").string();
  for (const auto& words : {"run " + job + " --json", "validate " + job, std::string("list")}) {
    CAPTURE(words);
    CHECK(shell(program + " " + words + " >/dev/full 2>" + log) == 1);
    CHECK(content_of(log).find("No space left on device") != std::string::npos);
    CHECK(shell(program + " " + words + " >&- 2>" + log) == 1);
  }
}

TEST_CASE("closed standard streams are nobody else's numbers") {
  const temporary_folder folder;
  const auto job =
    folder.write("job.json", R"({"task": "bulkhead.echo", "args": ["a"], "output": "out"})")
      .string();
  CHECK(shell(program + " run " + job + " <&- >&- 2>&-") == 1); // the report is lost
  CHECK(content_of(folder.path() / "out") == "{\"input\":null,\"result\":\"a\"}\n");
  CHECK(shell(program + " run " + job + " --set output=- >&- 2>" + (folder.path() / "log").string())
        == 1);
  CHECK(content_of(folder.path() / "log").find("standard output is closed") != std::string::npos);
}

TEST_CASE("results that find the disk full are an error") {
  const temporary_folder folder;
  command c({"run", folder.write("job.json", R"({"task": "bulkhead.echo", "args": ["a"],
                                                 "output": "/dev/full"})")});
  CHECK(c.wait() == 1);
  CHECK(c.out().find("could not be written: No space left on device") != std::string::npos);
}

TEST_CASE("two jobs do not write one output, but where both append") {
  const temporary_folder folder;
  REQUIRE(::mkfifo((folder.path() / "gate").c_str(), 0600) == 0);
  const int fd = ::open((folder.path() / "gate").c_str(), O_RDWR | O_CLOEXEC);
  const auto alone = folder.write("alone.json", waiting_job(folder, ""));
  const auto append = folder.write("append.json", waiting_job(folder, ", \"append\": true"));
  folder.write("out", "old\n");
  {
    command first({"run", append, "--no-progress"});
    REQUIRE(first.wait_for_text("waiting for"));
    command second({"run", alone, "--no-progress"});
    CHECK(second.wait() == 2);
    CHECK(second.err().find("which another job writes") != std::string::npos);
    CHECK(content_of(folder.path() / "out") == "old\n");
    command third({"run", append, "--no-progress"});
    REQUIRE(third.wait_for_text("waiting for"));
    REQUIRE(::write(fd, "xx", 2) == 2);
    CHECK(first.wait() == 0);
    CHECK(third.wait() == 0);
  }
  const auto line = std::string("{\"input\":null,\"result\":\"released\"}\n");
  CHECK(content_of(folder.path() / "out") == "old\n" + line + line);
  ::close(fd);
}

TEST_CASE("an output that is removed while the job runs is an error") {
  const temporary_folder folder;
  REQUIRE(::mkfifo((folder.path() / "gate").c_str(), 0600) == 0);
  const int fd = ::open((folder.path() / "gate").c_str(), O_RDWR | O_CLOEXEC);
  command c({"run", folder.write("job.json", waiting_job(folder, "")), "--no-progress"});
  REQUIRE(c.wait_for_text("waiting for"));
  std::filesystem::remove(folder.path() / "out");
  REQUIRE(::write(fd, "x", 1) == 1);
  CHECK(c.wait() == 1);
  CHECK(c.out().find("was removed while the job ran") != std::string::npos);
  ::close(fd);
}
