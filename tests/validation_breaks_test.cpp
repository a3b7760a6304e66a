// ctest-label: fault
// ctest-label: once
// ctest-timeout: 300
// ctest-needs: channel_test
// ctest-needs: codec_test
// ctest-needs: column_parts_test
// ctest-needs: crash_recorder_test
// ctest-needs: failure_text_test
// ctest-needs: flight_test
// ctest-needs: forkserver_lies_test
// ctest-needs: lying_worker_test
// Each check of what a worker says, broken on purpose: some test must notice. The names of the
// checks are taken from the source, so a new one without a witness fails here.
#include <doctest/doctest.h>

#if defined(BULKHEAD_HOOKS) && BULKHEAD_HOOKS

#  include "tests/support/temporary_folder.hpp"

#  include <fcntl.h>
#  include <poll.h>
#  include <spawn.h>
#  include <sys/syscall.h>
#  include <sys/wait.h>
#  include <unistd.h>

#  include <csignal>
#  include <filesystem>
#  include <fstream>
#  include <iterator>
#  include <regex>
#  include <set>
#  include <string>
#  include <string_view>
#  include <vector>

namespace {

/// The test that notices when checks whose names begin so do not check.
struct witness {
  std::string_view checks;
  const char* program;
  const char* cases = "*"; ///< doctest's filter; commas would separate
  const char* lie = "";    ///< of the lying worker: this one alone
};

constexpr const char* each_lie = "each lie on the wire*";

const witness witnesses[] = {
  {"ring.", "channel_test"},
  {"answer.size_", "channel_test"},
  {"answer.payload_inside", "channel_test"},
  {"answer.kind", "lying_worker_test", each_lie, "kind 0"},
  {"claim.", "flight_test"},
  {"result.parcel_came", "lying_worker_test", each_lie, "a parcel that never came"},
  {"result.in_flight", "flight_test"},
  {"result.position", "flight_test"},
  {"result.not_taken", "flight_test"},
  {"result.duration", "lying_worker_test", "a worker that claims to have run*"},
  {"column.inside", "column_parts_test"},
  {"column.without_parts", "lying_worker_test", each_lie, "a column after a part"},
  {"column.kind", "lying_worker_test", "who claims items whose results*"},
  {"returned.position", "flight_test"},
  {"returned.asked", "flight_test"},
  {"returned.end_", "flight_test"},
  {"returned.without_parts", "lying_worker_test", "who gives back an item after a part*"},
  {"ready.once", "lying_worker_test", each_lie, "ready twice"},
  {"grown.ready", "lying_worker_test", "workers that lie before they serve*"},
  {"grown.limited", "lying_worker_test", each_lie, "grown without a limit"},
  {"measured.expected", "lying_worker_test", each_lie, "figures that nobody asked for"},
  {"grown.once", "repeated_answers_test", "a worker that has grown*"},
  {"unfit.once", "repeated_answers_test", "a worker that is unfit*"},
  {"unfit.before_ready", "lying_worker_test", each_lie, "unfit after ready"},
  {"spans.form", "lying_worker_test", each_lie, "spans that are none"},
  {"spans.once", "lying_worker_test", each_lie, "spans without end"},
  {"part.in_flight", "lying_worker_test", "a piece of a result for which nothing*"},
  {"part.position", "lying_worker_test", "a part of a result that is awaited*"},
  {"part.not_taken", "lying_worker_test", "*for an item that was taken back*"},
  {"part.not_empty", "lying_worker_test", each_lie, "a part without bytes"},
  {"part.total", "lying_worker_test", each_lie, "parts without end"},
  {"part.whole", "lying_worker_test", "a result is as large as what comes*"},
  {"failed.without_parts", "lying_worker_test", each_lie, "a failure after a part"},
  {"failure.kind", "failure_text_test"},
  {"text.", "failure_text_test"},
  {"reply.", "forkserver_lies_test"},
  {"record.", "crash_recorder_test", "a record full of garbage*"},
  {"codec.", "codec_test"},
  {"handshake.", "listener_test"},
};

const witness* witness_of(std::string_view check) {
  for (const auto& each : witnesses)
    if (check.starts_with(each.checks))
      return &each;
  return nullptr;
}

void add_checks(const std::filesystem::path& source, std::set<std::string>& names) {
  std::ifstream file{source};
  const std::string text{std::istreambuf_iterator<char>{file}, {}};
  static const std::regex use{R"re((?:validated|bounded)\(\s*"([a-z0-9_.]+)")re"};
  for (std::sregex_iterator at{text.begin(), text.end(), use}, end; at != end; ++at)
    names.insert((*at)[1]);
}

std::set<std::string> checks_in_source() {
  std::set<std::string> names;
  for (const auto* folder : {"/include", "/runtime"})
    for (const auto& entry :
         std::filesystem::recursive_directory_iterator(BULKHEAD_SOURCE_DIR + std::string{folder}))
      if (entry.is_regular_file())
        add_checks(entry.path(), names);
  return names;
}

/// Of a child that is stopped after so many seconds; -1: it was stopped, or could not start.
int wait_status(pid_t pid, int seconds) {
  const int pidfd = static_cast<int>(::syscall(SYS_pidfd_open, pid, 0));
  pollfd ended{pidfd, POLLIN, 0};
  const bool in_time = ::poll(&ended, 1, seconds * 1000) == 1;
  if (!in_time)
    ::kill(pid, SIGKILL); // its workers end with it
  siginfo_t about{};
  ::waitid(P_PID, static_cast<id_t>(pid), &about, WEXITED | WNOWAIT);
  ::kill(-pid, SIGKILL); // a forkserver that lies stays behind; the group's number is still ours
  int status = -1;
  ::waitpid(pid, &status, 0);
  ::close(pidfd);
  return in_time ? status : -1;
}

/// Runs a witness with one check broken; none where `check` is empty. True: it passed.
bool passes(const witness& w, const std::string& check) {
  std::string program = std::string{BULKHEAD_BINARY_DIR "/tests/"} + w.program;
  std::string filter = std::string{"-tc="} + w.cases;
  char* arguments[] = {program.data(), filter.data(), nullptr};
  const bulkhead::testing::temporary_folder scratch; // takes along what a crash leaves behind
  std::vector<std::string> settings{"BULKHEAD_BREAK=" + check, "TMPDIR=" + scratch.path().string()};
  if (!check.empty()) // what is broken may never come: then do not wait for long
    settings.push_back("BULKHEAD_TEST_PATIENCE_MS=3000");
  if (*w.lie != '\0')
    settings.push_back(std::string{"BULKHEAD_TEST_LIE="} + w.lie);
  std::vector<char*> environment;
  for (auto& each : settings)
    environment.push_back(each.data());
  for (auto** each = environ; *each != nullptr; ++each) // the first of a name counts
    environment.push_back(*each);
  environment.push_back(nullptr);

  posix_spawn_file_actions_t quiet;
  posix_spawn_file_actions_init(&quiet);
  posix_spawn_file_actions_addopen(&quiet, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
  posix_spawn_file_actions_addopen(&quiet, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
  posix_spawnattr_t own_group;
  posix_spawnattr_init(&own_group);
  posix_spawnattr_setflags(&own_group, POSIX_SPAWN_SETPGROUP);
  pid_t pid = 0;
  const auto error =
    ::posix_spawn(&pid, program.c_str(), &quiet, &own_group, arguments, environment.data());
  posix_spawnattr_destroy(&own_group);
  posix_spawn_file_actions_destroy(&quiet);
  REQUIRE(error == 0);
  return wait_status(pid, check.empty() ? 120 : 30) == 0;
}

} // namespace

TEST_CASE("every check of what a worker says is missed by some test when it does not check") {
  const auto checks = checks_in_source();
  CHECK(checks.size() >= 40);
  for (const auto& check : checks) {
    CAPTURE(check);
    const auto* w = witness_of(check);
    REQUIRE(w != nullptr);
    CHECK(!passes(*w, check));
  }
}

TEST_CASE("with every check in place the same tests pass") {
  for (const auto& w : witnesses) {
    CAPTURE(w.checks);
    CHECK(passes(w, ""));
  }
}

#endif
