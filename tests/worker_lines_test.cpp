// ctest-timeout: 120
// ctest-label: fault
// What workers print and log while they live: line by line, and the last of it.
#include "tests/support/eventually.hpp"
#include "tests/support/leak_guard.hpp"

#include <bulkhead/tasks.hpp>

#include <doctest/doctest.h>

#include <unistd.h>

#include <chrono>
#include <csignal>
#include <cstdio>
#include <map>
#include <mutex>
#include <string>
#include <vector>

using namespace bulkhead;
using namespace bulkhead::tests;
using namespace std::chrono_literals;

namespace {

constexpr auto long_enough = 60s; // a watchdog, not a measure

/// The lines of each worker, in their order.
struct listener_of_lines {
  std::mutex mutex;
  std::map<std::size_t, std::vector<std::string>> heard;

  std::function<void(const output_line&)> feed() {
    return [this](const output_line& line) {
      const std::lock_guard lock{mutex};
      heard[line.worker].push_back(line.text);
    };
  }
  std::size_t count() {
    const std::lock_guard lock{mutex};
    std::size_t all = 0;
    for (const auto& [worker, lines] : heard)
      all += lines.size();
    return all;
  }
};

std::size_t print_three() {
  std::puts("one");
  std::fputs("two\n", stderr);
  std::puts("three \x1b[31m");
  std::fflush(stdout);
  return this_worker::id();
}

/// Logs, says so, and waits to be killed.
void log_and_wait(event logged) {
  this_worker::log("the sprocket is loose");
  logged.set();
  for (;;)
    ::pause();
}

} // namespace

TEST_CASE("each line of each worker is heard, in order and printable") {
  const leak_guard guard;
  listener_of_lines lines;
  pool p{{.workers = 2, .output = output_mode::capture, .on_output = lines.feed()}};
  const auto ids = p.broadcast(print_three);
  REQUIRE(eventually([&] { return lines.count() == 6; }));
  p.terminate();
  for (const auto id : ids)
    CHECK(lines.heard[id] == std::vector<std::string>{"one", "two", "three ?[31m"});
}

TEST_CASE("a listener that is too slow loses lines, and learns how many") {
  const leak_guard guard;
  event gate;
  std::size_t heard = 0;
  std::size_t dropped = 0;
  pool p{{.workers = 1, .output = output_mode::capture, .on_output = [&](const output_line& line) {
            gate.wait();
            if (line.text.front() == '(')
              dropped += std::stoul(line.text.substr(1));
            else
              ++heard;
          }}};
  p.apply([] {
    for (int i = 0; i < 20'000; ++i)
      std::puts("line");
    std::fflush(stdout);
  });
  gate.set();
  // One more line brings the count of those that were dropped before it.
  CHECK(eventually([&] {
    p.apply([] { std::puts("line"), std::fflush(stdout); });
    return dropped != 0;
  }));
  p.shutdown();
  p.terminate();
  CHECK(heard >= 4096);
  CHECK(heard + dropped >= 20'000);
}

TEST_CASE("the last output of a worker can be read while it lives") {
  const leak_guard guard;
  pool p{{.workers = 1, .output = output_mode::capture}};
  event gate;
  auto f = p.submit(
    [](event until) {
      std::puts("half way");
      std::fflush(stdout);
      until.wait();
    },
    gate);
  const auto id = p.workers().front().id;
  CHECK(eventually([&] { return p.last_output(id) == "half way\n"; }));
  CHECK(p.last_output(id + 100).empty());
  gate.set();
  f.get(long_enough);
}

TEST_CASE("what a worker logs is kept wherever its output goes, once") {
  const leak_guard guard;
  for (const auto mode : {output_mode::null, output_mode::capture}) {
    CAPTURE(static_cast<int>(mode));
    listener_of_lines lines;
    pool_options options{.workers = 1, .output = mode};
    if (mode == output_mode::capture)
      options.on_output = lines.feed();
    pool p{options};
    event logged;
    auto f = p.submit(log_and_wait, logged);
    REQUIRE(logged.wait(long_enough));
    const auto w = p.workers().front();
    CHECK(eventually([&] { return p.last_output(w.id) == "the sprocket is loose\n"; }));
    ::kill(w.pid, SIGKILL);
    REQUIRE(f.wait(long_enough));
    CHECK(f.outcome().failure().last_output == "the sprocket is loose\n");
    p.terminate();
    if (mode == output_mode::capture)
      CHECK(lines.heard[w.id] == std::vector<std::string>{"the sprocket is loose"});
  }
}

TEST_CASE("a log of the host, and of other threads of a task, does no harm") {
  const leak_guard guard;
  pool p{{.workers = 1, .output = output_mode::null}};
  CHECK(p.apply([] {
    std::jthread{[] { this_worker::log(std::string(10'000, 'x')); }}.join();
    this_worker::log("behind");
    return true;
  }));
  const auto last = p.last_output(p.workers().front().id);
  CHECK(last == "behind\n"); // there is room for one line as long as the other
}

TEST_CASE("a listener that would hear nothing is refused") {
  const leak_guard guard;
  CHECK_THROWS_WITH_AS((pool{{.on_output = [](const output_line&) {}}}),
                       doctest::Contains("output_mode::prefix or capture"), config_error);
}
