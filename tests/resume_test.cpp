// ctest-needs: bulkhead_cli
// ctest-needs: word_count
// ctest-timeout: 300
// Jobs that are killed at some point, the host or a worker, go on to the result of an uninterrupted
// one. BULKHEAD_KILLS and BULKHEAD_SEED set how often, and where.
#include "tests/support/command.hpp"
#include "tests/support/eventually.hpp"
#include "tests/support/runner_jobs.hpp"
#include "tests/support/temporary_folder.hpp"

#include <doctest/doctest.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <random>
#include <sstream>
#include <string>
#include <vector>

using bulkhead::testing::command;
using bulkhead::testing::content_of;
using bulkhead::testing::temporary_folder;
using bulkhead::tests::eventually;
using nlohmann::json;

namespace {

constexpr int files = 150;

long setting(const char* name, long otherwise) {
  const char* text = std::getenv(name);
  return text == nullptr ? otherwise : std::atol(text);
}

std::vector<pid_t> children_of(pid_t pid) {
  std::vector<pid_t> all;
  std::error_code error;
  const auto threads = std::filesystem::path("/proc") / std::to_string(pid) / "task";
  for (const auto& thread : std::filesystem::directory_iterator(threads, error)) {
    std::ifstream in(thread.path() / "children");
    for (pid_t child = 0; in >> child;)
      all.push_back(child);
  }
  return all;
}

/// A worker of the job: a child of its forkserver. 0 where there is none any more.
pid_t worker_of(pid_t host, std::mt19937& dice) {
  for (const auto server : children_of(host))
    if (const auto workers = children_of(server); !workers.empty())
      return workers[dice() % workers.size()];
  return 0;
}

json report_of(command& c) {
  const auto status = c.wait();
  CAPTURE(c.err());
  auto report = json::parse(c.out(), nullptr, false);
  REQUIRE(report.is_object());
  CHECK(report["exit_status"] == status);
  return report;
}

/// The word count over some texts of its own.
class texts {
public:
  explicit texts(std::mt19937& dice) {
    for (int i = 0; i < files; ++i) {
      std::string text;
      for (int word = 0; word < 400; ++word)
        text += "word" + std::to_string(dice() % 1000) + (word % 9 == 0 ? '\n' : ' ');
      folder_.write("text" + std::to_string(i), text);
    }
    job_ = folder_.write("job.json", R"({"load": ["libword_count.so"], "task": "word_count.count",
      "input": {"glob": "text*"}, "pool": {"workers": 2}, "map": {"chunk": 1, "ordered": false},
      "reduce": {"task": "word_count.merge", "finish": "word_count.report"}})");
  }

  std::vector<std::string> call(const std::string& name) const {
    return {"run",       job_,
            "--json",    "--no-progress",
            "--set",     "output=" + name + ".jsonl",
            "--journal", (folder_.path() / (name + ".journal")).string()};
  }
  std::vector<json> lines_of(const std::string& name) const {
    std::istringstream text(content_of(folder_.path() / (name + ".jsonl")));
    std::vector<json> all;
    for (std::string line; std::getline(text, line);)
      all.push_back(json::parse(line, nullptr, false));
    return all;
  }
  std::size_t outcomes_of(const std::string& name) const {
    const auto text = content_of(folder_.path() / (name + ".jsonl"));
    return static_cast<std::size_t>(std::count(text.begin(), text.end(), '\n'));
  }
  std::filesystem::path log_of(const std::string& name) const {
    return folder_.path() / (name + ".journal-wal");
  }

private:
  temporary_folder folder_;
  std::string job_;
};

enum class victim { host, worker, both };

/// Kills somebody once `after` outcomes are in the output.
void run_and_kill(const texts& there, const std::string& name, victim whom, std::size_t after,
                  std::mt19937& dice) {
  command c(there.call(name));
  CHECK(eventually([&] { return there.outcomes_of(name) >= after; }));
  if (whom != victim::host)
    if (const auto worker = worker_of(c.pid(), dice); worker != 0)
      ::kill(worker, SIGKILL);
  if (whom != victim::worker)
    c.signal(SIGKILL);
  c.wait();
}

} // namespace

TEST_CASE("a word count that was killed somewhere goes on to the same result") {
  const auto seed = static_cast<std::mt19937::result_type>(setting("BULKHEAD_SEED", 7));
  const auto kills = setting("BULKHEAD_KILLS", 5);
  CAPTURE(seed);
  std::mt19937 dice(seed);
  const texts there(dice);
  command undisturbed(there.call("undisturbed"));
  const auto expected = report_of(undisturbed);
  REQUIRE(expected["succeeded"] == files);
  for (long i = 0; i < kills; ++i) {
    const auto name = "killed" + std::to_string(i);
    const auto whom = static_cast<victim>(i % 3);
    const auto after = dice() % (files - 1);
    CAPTURE(i);
    CAPTURE(after);
    run_and_kill(there, name, whom, after, dice);
    auto call = there.call(name);
    call.emplace_back("--resume-failed"); // whom a killed worker had at hand
    command again(call);
    const auto report = report_of(again);
    CHECK(report["result"] == expected["result"]);
    CHECK(report["succeeded"] == files);
    CHECK(report["exit_status"] == 0);
    // What had been told runs no second time, but for the one of the killed worker.
    CHECK(report["from_journal"].get<std::size_t>() + 1 >= after);
    CHECK(there.lines_of(name).size() == files);
  }
}

TEST_CASE("a journal with a torn end goes on behind its last whole record") {
  std::mt19937 dice(11);
  const texts there(dice);
  command undisturbed(there.call("undisturbed"));
  const auto expected = report_of(undisturbed);
  for (const std::uintmax_t part : {0, 2, 20}) {
    CAPTURE(part);
    std::string name;
    std::filesystem::path log;
    CHECK(eventually([&] { // a job that has ended before the kill has no log any more
      name = "torn" + std::to_string(part) + '-' + std::to_string(dice());
      run_and_kill(there, name, victim::host, files / 2, dice);
      log = there.log_of(name);
      return std::filesystem::exists(log);
    }));
    const auto size = std::filesystem::file_size(log);
    REQUIRE(size > 1);
    std::filesystem::resize_file(log, part == 0 ? size - 1 : size / part);
    std::ofstream(log, std::ios::binary | std::ios::app) << std::string(100, '\x5a');
    command again(there.call(name));
    const auto report = report_of(again);
    CHECK(report["result"] == expected["result"]);
    CHECK(report["succeeded"] == files);
    CHECK(report["from_journal"] < files);
  }
}
