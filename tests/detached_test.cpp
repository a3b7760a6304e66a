// ctest-needs: bulkhead_cli
// ctest-timeout: 120
// Jobs that run without their terminal: listed, attached to, killed and taken up again.
#include "tests/support/command.hpp"
#include "tests/support/eventually.hpp"
#include "tests/support/runner_jobs.hpp"
#include "tests/support/temporary_folder.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

using bulkhead::testing::command;
using bulkhead::testing::content_of;
using bulkhead::testing::job;
using bulkhead::testing::temporary_folder;
using bulkhead::tests::eventually;

namespace {

auto lines_in(const std::filesystem::path& file) {
  const auto text = content_of(file);
  return std::count(text.begin(), text.end(), '\n');
}

/// A place of its own for detached jobs.
class place {
public:
  place() { ::setenv("XDG_STATE_HOME", folder.path().c_str(), 1); }
  ~place() { ::unsetenv("XDG_STATE_HOME"); }

  std::string write(const std::string& members) const {
    return folder.write("job.json", job(members)).string();
  }
  /// Its name.
  std::string detach(const std::string& file) const {
    command run({"run", file, "--detach"});
    CHECK(run.wait() == 0);
    CAPTURE(run.err());
    REQUIRE(run.out().size() > 1);
    return run.out().substr(0, run.out().size() - 1);
  }
  std::string list() const {
    command jobs({"jobs"});
    CHECK(jobs.wait() == 0);
    return jobs.out();
  }

  temporary_folder folder;
};

/// Kills who holds a file open: the job, its keeper and its workers.
void kill_holders(const std::filesystem::path& file) {
  namespace fs = std::filesystem;
  for (const auto& process : fs::directory_iterator("/proc")) {
    std::error_code gone;
    const auto name = process.path().filename().string();
    if (name.find_first_not_of("0123456789") != std::string::npos)
      continue;
    for (const auto& fd : fs::directory_iterator(process.path() / "fd", gone))
      if (fs::read_symlink(fd.path(), gone) == file) {
        ::kill(std::atoi(name.c_str()), SIGKILL);
        break;
      }
  }
}

} // namespace

TEST_CASE("a detached job goes on alone, is listed, and is shown with its results and its status") {
  const place there;
  CHECK(there.list().find("no detached jobs") != std::string::npos);
  const auto file = there.write(
    R"("task": "test.leave_note", "input": {"range": {"from": 0, "to": 20}}, "output": "-", "args": [")"
    + (there.folder.path() / "notes").string() + "\"]");
  const auto id = there.detach(file);
  command attach({"attach", id});
  CHECK(attach.wait() == 0);
  CHECK(std::count(attach.out().begin(), attach.out().end(), '\n') == 20);
  CHECK(lines_in(there.folder.path() / "notes") == 20);
  CHECK(there.list().find("ended with 0") != std::string::npos);
  command again({"attach", id});
  CHECK(again.wait() == 0);
  CHECK(again.out() == attach.out());
  command clear({"jobs", "--clear"});
  CHECK(clear.wait() == 0);
  CHECK(there.list().find(id) == std::string::npos);
  command nobody({"attach", id});
  CHECK(nobody.wait() == 2);
}

TEST_CASE("a detached job that was killed with all it has goes on where it was") {
  const place there;
  const auto notes = there.folder.path() / "notes";
  const auto gate = there.folder.path() / "gate";
  const auto file =
    there.write(R"("task": "test.leave_note", "input": {"json_lines": ")" + gate.string()
                + R"("}, "output": "-", "map": {"chunk": 1}, "args": [")" + notes.string() + "\"]");
  // Its input does not end before it is killed.
  REQUIRE(::mkfifo(gate.c_str(), 0600) == 0);
  const auto id = there.detach(file);
  const auto own = there.folder.path() / "bulkhead/jobs" / id;
  {
    std::ofstream first(gate);
    for (int i = 0; i < 10; ++i)
      first << i << std::endl;
    REQUIRE(eventually([&] { return lines_in(own / "output") == 10; }));
    CHECK(there.list().find("runs") != std::string::npos);
    kill_holders(own / "lock");
    REQUIRE(eventually([&] { return there.list().find("interrupted") != std::string::npos; }));
  }
  std::filesystem::remove(gate);
  std::ofstream all(gate);
  for (int i = 0; i < 30; ++i)
    all << i << '\n';
  all.close();
  command attach({"attach", id});
  CHECK(attach.wait() == 0);
  CHECK(attach.err().find("goes on behind its journal") != std::string::npos);
  CHECK(std::count(attach.out().begin(), attach.out().end(), '\n') == 30);
  CHECK(lines_in(notes) == 30); // what was written was in the journal, and has not run again
}

TEST_CASE("what cannot go on without a terminal is refused at once") {
  const place there;
  const auto file =
    there.write(R"("task": "test.leave_note", "input": {"json_lines": "-"}, "args": ["x"])");
  command run({"run", file, "--detach"});
  CHECK(run.wait() == 2);
  CHECK(run.err().find("standard input") != std::string::npos);
  command both({"run", file, "--detach", "--journal", "x"});
  CHECK(both.wait() == 2);
}
