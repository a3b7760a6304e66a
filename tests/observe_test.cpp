// ctest-link: bulkhead_observe
// ctest-timeout: 120
// What is seen of a real pool: by the program itself, as metrics, time line and report.
#include "tests/support/eventually.hpp"
#include "tests/support/leak_guard.hpp"
#include "tests/support/temporary_folder.hpp"

#include <bulkhead/actor.hpp>
#include <bulkhead/bulkhead.hpp>
#include <bulkhead/observe.hpp>

#include <caf/event_based_actor.hpp>
#include <caf/scoped_actor.hpp>
#include <caf/send.hpp>
#include <doctest/doctest.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <csignal>
#include <fstream>
#include <iterator>
#include <map>
#include <optional>
#include <set>
#include <stdexcept>
#include <string>
#include <vector>

using namespace bulkhead;
using namespace std::chrono_literals;
using nlohmann::json;
using tests::eventually;

namespace {

int twice(int x) { return 2 * x; }
BULKHEAD_TASK("test.twice", twice)

int plain(int x) { return x + 1; }

int fail(int x) {
  if (x == 1)
    throw std::runtime_error("number <one>");
  if (x == 2)
    std::raise(SIGSEGV);
  return x;
}
BULKHEAD_TASK("test.fail", fail)

const observe::task_sight* named(const observe::snapshot& s, const std::string& name) {
  for (const auto& t : s.tasks)
    if (t.name == name)
      return &t;
  return nullptr;
}

std::string content_of(const std::filesystem::path& file) {
  std::ifstream in(file, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

} // namespace

TEST_CASE("tasks are counted by name: registered ones, functions and lambdas") {
  tests::leak_guard guard;
  pool workers({.workers = 2});
  const observe::watch seen(workers);
  for (int i = 0; i < 5; ++i)
    workers.submit(twice, i).get();
  workers.submit(plain, 1).get();
  workers.submit([](int x) { return x; }, 1).get();
  workers.map(twice, std::vector<int>(1000, 1));
  const auto now = seen.now();
  REQUIRE(named(now, "test.twice") != nullptr);
  CHECK(named(now, "test.twice")->succeeded == 1005);
  CHECK(named(now, "test.twice")->run.count() == 1005);
  CHECK(named(now, "test.twice")->wait.count() == 1005);
  CHECK(named(now, "plain") != nullptr);
  CHECK(now.tasks.size() == 3);
  CHECK(now.stats.succeeded == 1007);
  CHECK(now.unseen == 0);
}

TEST_CASE("a failed task is seen with its reason, a death with its cause, and the successor") {
  tests::leak_guard guard;
  pool workers({.workers = 1, .name = "frail", .output = output_mode::capture});
  const observe::watch seen(workers);
  CHECK(workers.try_map(fail, {1}).front().failure().kind == failure_kind::task_exception);
  CHECK(workers.try_map(fail, {2}).front().failure().kind == failure_kind::worker_died);
  workers.submit(fail, 3).get();
  const auto now = seen.now();
  REQUIRE(now.failures.size() == 2);
  CHECK(now.failures[0].what.message == "number <one>");
  CHECK(now.failures[0].name == "test.fail");
  CHECK(now.failures[1].what.exit.signal == SIGSEGV);
  CHECK(now.failures[1].what.backtrace.find("fail") != std::string::npos);
  CHECK(now.deaths == std::map<std::string, std::uint64_t>{{"crashed", 1}});
  CHECK(now.slices.back().worker == 2);
  const auto again =
    seen.now({now.slices.back().number, now.failures.back().number, now.events.back().number});
  CHECK(again.slices.empty());
  CHECK(again.failures.empty());
}

TEST_CASE("what a worker is at is seen while it runs, with its memory and descriptors") {
  tests::leak_guard guard;
  pool workers({.workers = 2});
  const observe::watch seen(workers);
  auto [in, out] = make_pipe<int>();
  auto waits = workers.submit([](connection<int> from) { return from.recv(); }, in);
  const auto runs = [&] {
    for (const auto& w : seen.now().workers)
      if (!w.running.empty())
        return w.worker.state == worker_state::busy && w.worker.rss_bytes > 0 && w.descriptors > 0
               && w.worker.task == waits.id();
    return false;
  };
  CHECK(eventually(runs));
  out.send(7);
  CHECK(waits.get() == 7);
  CHECK(eventually([&] { return seen.now().workers.at(0).running.empty(); }));
}

TEST_CASE("two watches share what they see; the last look is left when the pool has ended") {
  tests::leak_guard guard;
  pool workers({.workers = 1});
  observe::watch first(workers);
  {
    const observe::watch second(workers);
    CHECK(first.shared() == second.shared());
  }
  workers.submit(twice, 1).get();
  workers.terminate();
  CHECK(eventually([&] { return first.now().ended; }));
  const auto last = first.now();
  CHECK(last.stats.succeeded == 1);
  REQUIRE(last.tasks.size() == 1);
  CHECK(last.tasks[0].succeeded == 1);
}

TEST_CASE("a pool may end before and after its watches, and be looked at anew") {
  tests::leak_guard guard;
  std::optional<observe::watch> seen;
  {
    pool workers({.workers = 1});
    for (int i = 0; i < 20; ++i) {
      seen.emplace(workers);
      workers.submit(twice, i).get();
      if (i % 2 == 0)
        seen.reset();
    }
  }
  CHECK(eventually([&] { return seen->now().ended; }));
  CHECK(seen->now().stats.succeeded == 20);
}

TEST_CASE("a pool that runs tasks in the caller has nothing to look at") {
  pool eager({.start = start_method::eager});
  CHECK_THROWS_AS(observe::watch{eager}, config_error);
}

TEST_CASE("threads of the host are seen as workers too") {
  tests::leak_guard guard;
  pool workers({.workers = 2, .start = start_method::thread});
  const observe::watch seen(workers);
  workers.map(twice, std::vector<int>(100, 1));
  CHECK(named(seen.now(), "test.twice")->succeeded == 100);
}

TEST_CASE("metrics name pools and tasks, and count what was counted") {
  tests::leak_guard guard;
  CHECK(observe::metrics_text().empty());
  pool workers({.workers = 1, .name = "a \"quoted\"\nname"});
  const observe::watch seen(workers);
  workers.map(twice, std::vector<int>(10, 1));
  const auto text = observe::metrics_text();
  const std::string pool_label = R"({pool="a \"quoted\"\nname",pool_number=")";
  CHECK(text.find("bulkhead_tasks_submitted_total" + pool_label) != std::string::npos);
  CHECK(text.find("task=\"test.twice\",le=\"+Inf\"} 10") != std::string::npos);
  CHECK(text.find("# TYPE bulkhead_task_run_seconds histogram") != std::string::npos);
}

TEST_CASE("actors and the deaths of their workers are seen") {
  tests::leak_guard guard;
  pool workers({.workers = 1, .actor_workers = 1});
  const observe::watch seen(workers);
  const auto behavior = [](caf::event_based_actor*) -> caf::behavior {
    return {[](int x) { return x; }};
  };
  const auto actor = workers.with(actor_options{.name = "echo"}).spawn(behavior);
  CHECK(eventually([&] {
    const auto now = seen.now();
    return now.actors.size() == 1 && now.actors[0].name == "echo";
  }));
  ::kill(seen.now().actors.at(0).pid, SIGKILL);
  CHECK(eventually([&] { return seen.now().deaths["killed"] == 1; }));
  const auto events = seen.now().events;
  CHECK(std::any_of(events.begin(), events.end(), [](const auto& e) {
    return e.among == worker_kind::actors && e.event.kind == event_kind::died;
  }));
}

TEST_CASE("a time line is a whole document with a slice for each task, on its worker's track") {
  tests::leak_guard guard;
  tests::leak_guard::warm_up();
  testing::temporary_folder folder;
  const auto file = folder.path() / "trace.json";
  {
    pool workers({.workers = 2, .name = "traced"});
    observe::trace line(workers, file);
    workers.try_map(fail, {0, 1, 2, 3}, {.chunk = 1});
    workers.terminate();
    CHECK(line.finish().empty());
    CHECK(line.finish().empty());
  }
  const auto document = json::parse(content_of(file));
  std::map<std::string, int> slices;
  std::set<int> tracks;
  bool died = false;
  for (const auto& e : document["traceEvents"]) {
    if (e["ph"] == "X" && e["cat"] != "host") {
      ++slices[e["args"]["outcome"]];
      CHECK(e["dur"] >= 0);
      CHECK(e["ts"] >= 0);
      CHECK(tracks.count(e["tid"]) == 1);
    }
    if (e["name"] == "thread_name")
      tracks.insert(e["tid"].get<int>());
    died |= e["ph"] == "i" && e["name"] == "died" && e["args"]["cause"] == "crashed";
  }
  CHECK(slices == std::map<std::string, int>{{"succeeded", 2}, {"failed", 2}});
  CHECK(died);
}

TEST_CASE("messages that actors handle are seen, and are slices of a time line") {
  tests::leak_guard guard;
  tests::leak_guard::warm_up();
  testing::temporary_folder folder;
  const auto file = folder.path() / "trace.json";
  {
    pool workers({.workers = 1, .actor_workers = 1});
    observe::trace line(workers, file);
    const observe::watch seen(workers);
    const auto behavior = [](caf::event_based_actor*) -> caf::behavior { return {[](int) {}}; };
    const auto actor = workers.with(actor_options{.name = "echo"}).spawn(behavior);
    CHECK(eventually([&] { // the first may come before its worker knows that somebody looks on
      caf::anon_send(actor, 1);
      const auto now = seen.now();
      return !now.messages.empty() && now.messages.back().name == "echo";
    }));
    const auto last = seen.now().messages.back();
    CHECK(last.actor == seen.now().actors.at(0).id);
    CHECK(last.worker == seen.now().actors.at(0).worker);
    CHECK(last.ended >= last.began);
    CHECK(seen.now({.message = last.number}).messages.empty());
    CHECK(line.finish().empty());
  }
  const auto document = json::parse(content_of(file));
  const auto& events = document["traceEvents"];
  CHECK(std::any_of(events.begin(), events.end(), [&](const json& e) {
    return e["ph"] == "X" && e["cat"] == "message" && e["name"] == "echo"
           && e["tid"].get<int>() > 1'000'000;
  }));
}

TEST_CASE("an arrow leads from the outcome of a task to who asks for it, once") {
  tests::leak_guard guard;
  tests::leak_guard::warm_up();
  testing::temporary_folder folder;
  const auto file = folder.path() / "trace.json";
  {
    pool workers({.workers = 1});
    observe::trace line(workers, file);
    const auto asked = workers.submit(fail, 0);
    const auto left = workers.submit(fail, 3);
    left.wait();
    CHECK(asked.get() == asked.get());
    CHECK(line.finish().empty());
  }
  std::vector<std::string> phases;
  const auto document = json::parse(content_of(file));
  for (const auto& e : document["traceEvents"])
    if (e["name"] == "get")
      phases.push_back(e["ph"]);
  CHECK(phases == std::vector<std::string>{"s", "f"});
}

TEST_CASE("a time line that cannot be written is refused, one on a full disk is told") {
  tests::leak_guard guard;
  pool workers({.workers = 1});
  CHECK_THROWS_AS(observe::trace(workers, "/no/such/folder/trace.json"), std::system_error);
  observe::trace full(workers, "/dev/full");
  workers.submit(twice, 1).get();
  CHECK(full.finish().find("full") != std::string::npos);
}

TEST_CASE("a report shows what failed, as text and never as markup") {
  tests::leak_guard guard;
  pool workers({.workers = 1, .name = "<script>"});
  const observe::watch seen(workers);
  workers.try_map(fail, {1});
  const auto html = observe::report_html(seen.now(), {{"job", "a & b"}});
  CHECK(html.find("<script") == std::string::npos);
  CHECK(html.find("number &lt;one&gt;") != std::string::npos);
  CHECK(html.find("a &amp; b") != std::string::npos);
  CHECK(html.find("http://") == std::string::npos);
  CHECK(json::parse(observe::report_json(seen.now()))["failures"][0]["message"] == "number <one>");
}
