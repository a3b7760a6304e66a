// ctest-timeout: 240
// ctest-label: fault
// ctest-label: once
// ctest-link: bulkhead_engine_rabbitmq
// Nodes that are killed, suspended, ended and started again at random, and a broker that is
// restarted, while tasks run; an independent look at what they left behind is the judge. Longer by
// BULKHEAD_NEMESIS_SECONDS, another course by BULKHEAD_NEMESIS_SEED.
#include "tests/support/cluster.hpp"

#include <bulkhead/tasks.hpp>

#include <doctest/doctest.h>

#include <chrono>
#include <cstdlib>
#include <fstream>
#include <map>
#include <optional>
#include <random>
#include <string>
#include <thread>
#include <vector>

using namespace bulkhead;
using namespace bulkhead::tests;
using namespace std::chrono_literals;
using bulkhead::testing::broker;
using bulkhead::testing::temporary_folder;

namespace {

int number_of(const char* variable, int otherwise) {
  const char* set = std::getenv(variable);
  return set != nullptr ? std::atoi(set) : otherwise;
}

/// Leaves a line when it begins and when it ends.
int leave_traces(std::string file, int task, int milliseconds) {
  const int fd = ::open(file.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  const auto trace = [&](char what) {
    const auto line = what + std::to_string(task) + "\n";
    if (::write(fd, line.data(), line.size()) != static_cast<ssize_t>(line.size()))
      std::abort();
  };
  trace('b');
  std::this_thread::sleep_for(std::chrono::milliseconds{milliseconds}); // the task's work
  trace('e');
  ::close(fd);
  return task;
}

struct traces {
  std::map<int, int> begun;
  std::map<int, int> ended;
};

traces read_traces(const std::string& file) {
  traces all;
  std::ifstream in(file);
  for (std::string line; std::getline(in, line);)
    ++(line[0] == 'b' ? all.begun : all.ended)[std::atoi(line.c_str() + 1)];
  return all;
}

/// Nodes, and what befalls them.
class nemesis {
public:
  nemesis(broker& server, std::string queue, unsigned seed)
    : server_(server), queue_(std::move(queue)), random_(seed) {
    for (auto& each : nodes_)
      each.emplace(server_.url(), queue_, 2);
  }

  void strike(bool with_broker) {
    auto& victim = nodes_[random_() % 3];
    switch (random_() % (with_broker ? 6 : 5)) {
    case 0:
    case 1:
      victim->kill();
      victim.emplace(server_.url(), queue_, 2);
      break;
    case 2:
      victim->suspend();
      std::this_thread::sleep_for(std::chrono::milliseconds{random_() % 4000}); // its length
      victim->resume();
      break;
    case 3:
      victim->end();
      victim.emplace(server_.url(), queue_, 2);
      break;
    case 4:
      std::this_thread::sleep_for(300ms); // peace
      break;
    default:
      server_.kill();
      server_.start();
    }
  }

private:
  broker& server_;
  const std::string queue_;
  std::mt19937 random_;
  std::optional<test_node> nodes_[3];
};

} // namespace

TEST_CASE(
  "whatever happens to nodes and broker, each task has one outcome and runs as often as it may") {
  if (!broker::is_installed())
    return;
  const auto seed = static_cast<unsigned>(number_of("BULKHEAD_NEMESIS_SEED", 1));
  CAPTURE(seed);
  broker server;
  const auto until = std::chrono::steady_clock::now()
                     + std::chrono::seconds{number_of("BULKHEAD_NEMESIS_SECONDS", 2)};
  const temporary_folder folder;
  const auto file = (folder.path() / "traces").string();
  std::vector<future<int>> once;
  std::vector<future<int>> again;
  {
    nemesis fate(server, "nemesis", seed);
    pool p({.engine =
              rabbitmq{.url = server.url(), .queue = "nemesis", .lease = 2s, .nodes_within = 60s}});
    const bool with_broker = std::getenv("BULKHEAD_NEMESIS_SECONDS") != nullptr;
    int task = 0;
    do {
      for (int i = 0; i < 100; ++i) {
        once.push_back(p.submit(leave_traces, file, task++, 10 + i));
        again.push_back(p.with({.retries = 50}).submit(leave_traces, file, task++, 10 + i));
      }
      fate.strike(with_broker);
    } while (std::chrono::steady_clock::now() < until);
    for (const auto& f : once)
      f.wait();
    for (const auto& f : again)
      f.wait();
    const auto s = p.stats();
    CHECK(s.submitted == s.succeeded + s.failed + s.cancelled);
    CHECK(s.bad_messages == 0);
  }
  auto seen = read_traces(file);
  std::size_t lost = 0;
  for (std::size_t i = 0; i < once.size(); ++i) {
    const auto task = static_cast<int>(2 * i);
    const auto& outcome = once[i].outcome();
    CHECK(seen.begun[task] <= 1);
    if (outcome) {
      CHECK(seen.ended[task] == 1);
      continue;
    }
    ++lost;
    CHECK(outcome.failure().exit.cause == exit_cause::node_lost);
    CHECK(outcome.failure().may_have_executed);
  }
  for (std::size_t i = 0; i < again.size(); ++i) {
    CHECK(again[i].outcome().has_value());
    CHECK(seen.ended[static_cast<int>(2 * i + 1)] >= 1);
  }
  MESSAGE((once.size() + again.size()) << " tasks, " << lost << " lost with their nodes");
}
