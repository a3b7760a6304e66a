// ctest-timeout: 240
// ctest-label: fault
// ctest-label: once
// ctest-link: bulkhead_engine_rabbitmq
// Connections that are reset at each step of the protocol, links that are cut one way and both ways
// for shorter and longer than time-outs, and a broker with an alarm. Every step and every length by
// BULKHEAD_NEMESIS_LONG=1.
#include "tests/support/cluster.hpp"
#include "tests/support/eventually.hpp"
#include "tests/support/fault_proxy.hpp"
#include "tests/support/leak_guard.hpp"
#include "tests/support/marks.hpp"

#include <atomic>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <thread>

using namespace bulkhead;
using namespace bulkhead::tests;
using namespace std::chrono_literals;
using bulkhead::testing::broker;
using bulkhead::testing::fault_proxy;
using bulkhead::testing::temporary_folder;

namespace {

bool is_long() { return std::getenv("BULKHEAD_NEMESIS_LONG") != nullptr; }

broker& server() {
  static broker one;
  return one;
}

rabbitmq through(const std::string& url, const std::string& queue) {
  return {.url = url, .queue = queue, .lease = 2s, .nodes_within = 60s};
}

std::size_t descriptors_of(pid_t process) {
  std::size_t count = 0;
  for ([[maybe_unused]] const auto& each :
       std::filesystem::directory_iterator("/proc/" + std::to_string(process) + "/fd"))
    ++count;
  return count;
}

std::size_t resident_kib_of(pid_t process) {
  std::ifstream in("/proc/" + std::to_string(process) + "/status");
  for (std::string word; in >> word;)
    if (word == "VmRSS:") {
      std::size_t kib = 0;
      in >> kib;
      return kib;
    }
  return 0;
}

/// A submitter and a node, each behind a proxy of its own, and tasks that leave marks.
class two_links {
public:
  explicit two_links(const std::string& queue)
    : submitters(server().port()), nodes(server().port()), node_(nodes.url(), queue, 2),
      pool_({.engine = through(submitters.url(), queue)}) {}

  /// So many tasks from now on.
  void submit(int count, std::chrono::milliseconds time) {
    auto more = submit_marked(pool_, file(), count, time, submitted_);
    submitted_ += count;
    std::move(more.begin(), more.end(), std::back_inserter(all_));
  }
  /// Waits for all of them.
  void check(bool may_be_lost) { check_once(all_, file(), may_be_lost); }
  void check_answers() {
    CHECK(pool_.submit([] { return 1; }).get() == 1);
  }
  std::size_t begun() const { return marks_in(file()).size(); }
  pid_t node_pid() { return node_.own().pid(); }
  pool& own() { return pool_; }

  fault_proxy submitters;
  fault_proxy nodes;

private:
  std::string file() const { return (folder_.path() / "marks").string(); }

  temporary_folder folder_;
  test_node node_;
  pool pool_;
  std::vector<future<int>> all_;
  int submitted_ = 0;
};

/// Resets the connection after each number of frames in turn, while tasks go on.
void reset_at_each_step(two_links& world, fault_proxy& link, int step) {
  const std::uint64_t frames = 70;
  for (std::uint64_t k = 1; k <= frames; k += static_cast<std::uint64_t>(step)) {
    CAPTURE(k);
    link.reset_next_after(k);
    link.reset();
    world.submit(6, 1ms);
    // Where few frames go, further tasks bring more of them.
    REQUIRE(eventually([&] {
      if (link.has_reset())
        return true;
      world.submit(1, 1ms);
      std::this_thread::sleep_for(10ms); // not faster than they run
      return false;
    }));
  }
  world.check(false);
}

} // namespace

TEST_CASE(
  "a connection that is reset at any step of the protocol costs no task and no descriptor") {
  if (!broker::is_installed())
    return;
  server();
  const leak_guard guard;
  two_links world("steps");
  world.check_answers();
  reset_at_each_step(world, world.submitters, 70); // once
  reset_at_each_step(world, world.nodes, 70);
  const auto here = descriptors_of(::getpid());
  const auto there = descriptors_of(world.node_pid());
  const auto memory = resident_kib_of(world.node_pid());
  reset_at_each_step(world, world.submitters, is_long() ? 1 : 9);
  reset_at_each_step(world, world.nodes, is_long() ? 1 : 9);
  world.check_answers();
  CHECK(eventually([&] { return descriptors_of(::getpid()) <= here; }));
  CHECK(eventually([&] { return descriptors_of(world.node_pid()) <= there; }));
  CHECK(resident_kib_of(world.node_pid()) <= memory + 8192);
  CHECK(world.own().stats().bad_messages == 0);
}

TEST_CASE(
  "links that are cut one way or both ways end in one outcome each, and nothing runs twice") {
  if (!broker::is_installed())
    return;
  server();
  const leak_guard guard;
  two_links world("cuts");
  world.check_answers();
  struct fault {
    fault_proxy* link;
    bool up;
    bool down;
    std::chrono::milliseconds time;
  };
  std::vector<fault> faults{{&world.nodes, true, true, 400ms},
                            {&world.nodes, true, false, 4s},
                            {&world.submitters, false, true, 4s}};
  if (is_long())
    for (auto* link : {&world.nodes, &world.submitters})
      for (const auto& [up, down] : {std::pair{true, false}, {false, true}, {true, true}})
        for (const auto time : {500ms, 1500ms, 3000ms, 12'000ms, 45'000ms})
          faults.push_back({link, up, down, time});
  std::size_t begun = world.begun();
  for (const auto& f : faults) {
    CAPTURE(f.up);
    CAPTURE(f.down);
    CAPTURE(f.time.count());
    world.submit(40, 20ms);
    REQUIRE(eventually([&] { return world.begun() > begun + 5; }));
    f.link->cut(f.up, f.down);
    std::this_thread::sleep_for(f.time); // the fault's length
    f.link->heal();
    world.check(true);
    begun = world.begun();
  }
  world.check_answers();
}

TEST_CASE("an alarm of the broker is back-pressure, and costs nothing") {
  if (!broker::is_installed())
    return;
  server();
  const leak_guard guard;
  const temporary_folder folder;
  const auto file = (folder.path() / "marks").string();
  std::vector<std::pair<std::string, std::string>> alarms{
    {"rabbitmqctl set_disk_free_limit 500000GB", "rabbitmqctl set_disk_free_limit 50MB"}};
  if (is_long())
    alarms.emplace_back("rabbitmqctl set_vm_memory_high_watermark 0.000001",
                        "rabbitmqctl set_vm_memory_high_watermark 0.6");
  for (const auto& [raise, clear] : alarms) {
    test_node node(server().url(), "alarm");
    std::atomic<bool> told{false};
    pool p({.queue_capacity = 50,
            .on_event =
              [&told](const pool_event& e) {
                if (e.text.find("it has an alarm") != std::string::npos)
                  told = true;
              },
            .engine = through(server().url(), "alarm")});
    CHECK(p.submit([] { return 1; }).get() == 1);
    server().control(raise);
    std::vector<future<int>> all;
    CHECK(eventually([&] {
      auto more = p.try_submit(marked, file, static_cast<int>(all.size()), 1ms);
      const bool full = !more;
      if (more)
        all.push_back(std::move(*more));
      return full && told;
    }));
    server().control(clear);
    check_once(all, file, false);
    std::filesystem::remove(file);
  }
}
