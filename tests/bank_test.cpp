// ctest-needs: bulkhead_cli
// ctest-needs: bank
// ctest-timeout: 240
// ctest-label: fault
#include "tests/support/command.hpp"
#include "tests/support/temporary_folder.hpp"

#include <doctest/doctest.h>
#include <nlohmann/json.hpp>

#include <csignal>
#include <cstdlib>
#include <string>
#include <vector>

using bulkhead::testing::command;
using bulkhead::testing::temporary_folder;

// The example bank with a journal, its script without the check at the beginning: a host that is
// killed may leave a transfer half done, which the next one completes.
TEST_CASE("a bank whose host is killed again and again books each transfer once, and loses none") {
  const temporary_folder folder;
  const auto supervisors = R"(system.supervisors=[
    {"name": "accounts", "children": ["alice", "bob", "carol"], "max_restarts": 100000},
    {"name": "bank", "children": ["accounts", "teller", "auditor"], "max_restarts": 100000,
     "journal": ")" + folder.path().string()
                           + "\"}]";
  const std::string script = R"(system.script=[
    {"ask": "teller", "messages": "transfers.jsonl", "expect": ["done"], "retries": 100},
    {"ask": "auditor", "message": ["get"], "expect": [3000], "retries": 100},
    {"ask": "alice", "message": ["get"], "expect": [975], "retries": 100},
    {"ask": "bob", "message": ["get"], "expect": [1072], "retries": 100},
    {"ask": "carol", "message": ["get"], "expect": [953], "retries": 100}])";
  const std::vector<std::string> call{
    "run",   "--json", BULKHEAD_SOURCE_DIR "/examples/bank/bank.json", "--set", supervisors,
    "--set", script};
  const char* given = std::getenv("BULKHEAD_BANK_ROUNDS"); // many by hand
  const int rounds = given != nullptr ? std::atoi(given) : 3;
  for (int round = 0; round < rounds; ++round) {
    command host(call);
    // In the middle of its transfers: its workers are being killed and restarted.
    const auto sign = "alice started, incarnation " + std::to_string(2 + round % 4);
    REQUIRE(host.wait_for_text(sign));
    host.signal(SIGKILL);
    CHECK(host.wait() == 1000 + SIGKILL);
  }
  command last(call);
  CHECK(last.wait() == 0);
  INFO(last.err());
  const auto report = nlohmann::json::parse(last.out());
  CHECK(report["failed"] == 0);
  CHECK(report["answered"] == 204);
}
