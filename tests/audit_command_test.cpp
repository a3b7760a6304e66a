// ctest-needs: bulkhead_cli
// ctest-timeout: 120
// bulkhead audit: a job runs without its sandbox, and the sandbox that it prints is enough for it.
#include "tests/support/command.hpp"
#include "tests/support/runner_jobs.hpp"
#include "tests/support/sanitizer_calls.hpp"
#include "tests/support/temporary_folder.hpp"

#include <doctest/doctest.h>
#include <nlohmann/json.hpp>

#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

using bulkhead::testing::command;
using bulkhead::testing::job;
using bulkhead::testing::temporary_folder;
using nlohmann::json;
namespace fs = std::filesystem;

namespace {

/// A job that counts the bytes of two files, which strict does not let it read.
struct reading_job {
  reading_job() {
    for (const auto* name : {"one.txt", "two.txt"})
      std::ofstream{folder / name} << "text";
    std::ofstream{file} << job(R"("task": "test.file_bytes", "input": {"glob": "*.txt"},
      "pool": {"workers": 1})");
  }

  temporary_folder place;
  fs::path folder = fs::canonical(place.path());
  std::string file = (folder / "job.json").string();
};

std::vector<std::string> with_sandbox(std::vector<std::string> words, const json& sandbox) {
  words.push_back("--set");
  words.push_back("pool.sandbox=" + sandbox.dump());
  return words;
}

} // namespace

TEST_CASE("the policy that an audit prints lets the job run, and names its files alone") {
  const bulkhead::tests::no_leak_check workers_may_not_trace;
  const reading_job here;
  command audit({"audit", here.file});
  REQUIRE_MESSAGE(audit.wait() == 0, audit.err());
  const auto policy = json::parse(audit.out()).at("pool").at("sandbox");
  CHECK(policy.at("base") == "strict");
  CHECK(policy.at("read")
        == json{(here.folder / "one.txt").string(), (here.folder / "two.txt").string()});
  CHECK_FALSE(policy.contains("write"));
  CHECK(audit.err().find("would end the worker: sandbox.read") != std::string::npos);
  CHECK(audit.err().find("2 succeeded") != std::string::npos);
  command run(with_sandbox({"run", here.file, "--json"}, policy));
  CHECK_MESSAGE(run.wait() == 0, run.err());
  std::ofstream{here.folder / "three.txt"} << "text";
  command further(with_sandbox({"run", here.file, "--json"}, policy));
  CHECK(further.wait() == 1); // it was not among the samples
}

TEST_CASE("for programs an audit prints findings and policy as one document") {
  const bulkhead::tests::no_leak_check workers_may_not_trace;
  const reading_job here;
  command audit({"audit", here.file, "--json", "--set", "pool.sandbox.base=standard"});
  REQUIRE_MESSAGE(audit.wait() == 0, audit.err());
  const auto document = json::parse(audit.out());
  CHECK(document.at("pool").at("sandbox").at("base") == "standard");
  CHECK(document.at("missed") == 0);
  CHECK(document.at("findings").is_array());
}

TEST_CASE("what cannot be audited is refused before anything starts") {
  const reading_job here;
  command twice({"audit", here.file, "--set", "output=-"});
  CHECK(twice.wait() == 2);
  CHECK(twice.err().find("output") != std::string::npos);
  command threads({"audit", here.file, "--set", "pool.start=thread"});
  CHECK(threads.wait() == 2);
  const auto system = here.folder / "system.json";
  std::ofstream{system} << R"({"system": {"actors": []}})";
  command actors({"audit", system.string()});
  CHECK(actors.wait() == 2);
  CHECK(actors.err().find("system of actors") != std::string::npos);
}
