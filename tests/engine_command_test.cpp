// ctest-timeout: 240
// ctest-label: once
// ctest-link: bulkhead_engine_rabbitmq
// ctest-needs: bulkhead_cli
// The command as a node, as a submitter, and as who looks at both, through a real rabbitmq-server.
#include "tests/support/broker.hpp"
#include "tests/support/command.hpp"
#include "tests/support/temporary_folder.hpp"

#include <bulkhead/rabbitmq.hpp>
#include <bulkhead/tasks.hpp>

#include <doctest/doctest.h>

#include <csignal>
#include <filesystem>
#include <string>

using namespace bulkhead;
using namespace std::chrono_literals;
using bulkhead::testing::broker;
using bulkhead::testing::command;
using bulkhead::testing::temporary_folder;

namespace {

int tripled(int x) { return 3 * x; }

} // namespace

TEST_CASE("a job runs on a node that has its library; a program runs on itself as a node") {
  if (!broker::is_installed())
    return;
  broker server;
  const std::string library = BULKHEAD_TEST_MODULE_DIR "/task_library.so";
  command node({"node", "--engine", server.url(), "--queue", "jobs", "--load", library, "--workers",
                "1", "--drain", "10s"});
  REQUIRE(node.wait_for_text("takes tasks"));

  const temporary_folder folder;
  const auto job = folder.write("job.json", "{\"load\": [\"" + library
                                              + "\"], \"task\": \"library_twice\","
                                                " \"input\": {\"list\": [1, 2, 3]},"
                                                " \"output\": \"-\","
                                                " \"engine\": {\"queue\": \"jobs\"}}");
  command run({"run", job.string(), "--no-progress", "--set", "engine.url=" + server.url()});
  CHECK(run.wait() == 0);
  CHECK(run.out().find("\"result\":6") != std::string::npos);

  command check({"cluster", "check", "--engine", server.url(), "--queue", "jobs"});
  CHECK(check.wait() == 0);
  CHECK(check.out().find("bulkhead.node.") != std::string::npos);
  command nobody({"cluster", "check", "--engine", server.url(), "--queue", "none"});
  CHECK(nobody.wait() == 1);
  command refused({"cluster", "check", "--engine", server.url("wrong"), "--queue", "jobs"});
  CHECK(refused.wait() == 1);
  CHECK(refused.err().find("ACCESS_REFUSED") != std::string::npos);

  command wrong(
    {"validate", job.string(), "--set", "engine.url=" + server.url(), "--set", "pool.workers=3"});
  CHECK(wrong.wait() == 2);
  CHECK(wrong.err().find("pool.workers") != std::string::npos);

  node.signal(SIGTERM);
  CHECK(node.wait() == 0);

  const auto self = std::filesystem::read_symlink("/proc/self/exe").string();
  command program(
    {"node", "--engine", server.url(), "--queue", "jobs", "--workers", "1", "--program", self});
  REQUIRE(program.wait_for_text("takes tasks"));
  pool p({.engine = rabbitmq{.url = server.url(), .queue = "jobs", .nodes_within = 60s}});
  CHECK(p.submit(tripled, 5).get() == 15);
  program.signal(SIGTERM);
  CHECK(program.wait() == 0);
}
