// ctest-link: bulkhead_observe
// ctest-timeout: 120
// Parts of tasks that they have named, and arrows from submit to outcome, on the time line.
#include "tests/support/eventually.hpp"
#include "tests/support/leak_guard.hpp"
#include "tests/support/runner_jobs.hpp"
#include "tests/support/temporary_folder.hpp"

#include <bulkhead/bulkhead.hpp>
#include <bulkhead/observe.hpp>
#include <bulkhead/span.hpp>

#include <doctest/doctest.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <map>
#include <set>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

using namespace bulkhead;
using namespace std::chrono_literals;
using nlohmann::json;

namespace {

int in_parts(int x) {
  const this_task::span whole("whole");
  this_task::span first("first \"quoted\"\x01");
  first.end();
  first.end();
  const this_task::span second(std::string(100, 'n'));
  return x;
}

int in_threads(int) {
  std::thread other([] { const this_task::span there("elsewhere"); });
  other.join();
  return 0;
}

int in_many(int) {
  for (int i = 0; i < 5000; ++i)
    const this_task::span one("one");
  return 0;
}

int failing(int) {
  const this_task::span part("before it failed");
  throw std::runtime_error("on purpose");
}

/// The events of a time line that was written while `use` had the pool.
template <class Use>
std::vector<json> line_of(const pool_options& options, Use use) {
  tests::leak_guard::warm_up();
  const testing::temporary_folder folder;
  const auto file = folder.path() / "trace.json";
  {
    pool workers(options);
    observe::trace line(workers, file);
    use(workers);
    workers.terminate();
    CHECK(line.finish().empty());
  }
  return json::parse(testing::content_of(file))["traceEvents"];
}

std::vector<json> spans_in(const std::vector<json>& line, const std::string& name) {
  std::vector<json> all;
  for (const auto& e : line)
    if (e.value("cat", "") == "span" && e["name"] == name)
      all.push_back(e);
  return all;
}

/// The slice of the task that the span is a part of.
json slice_around(const std::vector<json>& line, const json& span) {
  for (const auto& e : line)
    if (e["ph"] == "X" && e.value("cat", "") != "span" && e["tid"] == span["tid"]) {
      const auto first = e["args"]["task"].get<std::uint64_t>();
      const auto task = span["args"]["task"].get<std::uint64_t>();
      if (task >= first && task < first + e["args"]["items"].get<std::uint64_t>())
        return e;
    }
  return nullptr;
}

} // namespace

TEST_CASE("the spans of a task lie within its slice, on its worker's track") {
  tests::leak_guard guard;
  for (const auto method : {start_method::forkserver, start_method::thread}) {
    const auto line = line_of({.workers = 2, .start = method}, [](pool& workers) {
      for (int i = 0; i < 10; ++i)
        workers.submit(in_parts, i).get();
      workers.map(in_parts, std::vector<int>(100, 1), {.chunk = 20});
    });
    for (const auto& name :
         {std::string("whole"), std::string("first \"quoted\"?"), std::string(64, 'n')}) {
      CAPTURE(name);
      const auto spans = spans_in(line, name);
      CHECK(spans.size() == 110);
      for (const auto& span : spans) {
        const auto around = slice_around(line, span);
        REQUIRE(around.is_object());
        const auto ends = [](const json& e) {
          return e["ts"].get<double>() + e["dur"].get<double>();
        };
        CHECK(span["ts"] >= around["ts"]);
        CHECK(ends(span) <= ends(around) + 1e-3);
      }
    }
  }
}

TEST_CASE("other threads of a task, and tasks that fail, have spans too") {
  tests::leak_guard guard;
  const auto line = line_of({.workers = 1}, [](pool& workers) {
    workers.submit(in_threads, 1).get();
    workers.try_map(failing, {1});
  });
  CHECK(spans_in(line, "elsewhere").size() == 1);
  CHECK(spans_in(line, "before it failed").size() == 1);
}

TEST_CASE("a task with too many spans tells how many are missing, and runs as it would") {
  tests::leak_guard guard;
  const auto line = line_of({.workers = 1, .ring_capacity = 64 * 1024}, [](pool& workers) {
    CHECK(workers.map(in_many, std::vector<int>(50, 1)).size() == 50);
    CHECK(workers.stats().bad_messages == 0);
  });
  const auto kept = spans_in(line, "one").size();
  CHECK(kept >= 50 * 100);
  std::size_t missing = 0;
  for (const auto& e : line)
    if (const auto name = e["name"].get<std::string>(); name.ends_with(" further spans"))
      missing += std::stoul(name);
  CHECK(kept + missing == 50 * 5000);
}

TEST_CASE("where nobody looks on, or there is no task, spans do nothing") {
  tests::leak_guard guard;
  in_parts(1);
  pool workers({.workers = 1});
  CHECK(workers.map(in_parts, std::vector<int>(1000, 1)).size() == 1000);
  {
    const observe::watch seen(workers);
    CHECK(workers.map(in_parts, std::vector<int>(1000, 1)).size() == 1000);
  }
  CHECK(workers.map(in_parts, std::vector<int>(1000, 1)).size() == 1000);
  CHECK(workers.stats().bad_messages == 0);
}

TEST_CASE("an arrow leads from the submit of a task through its slice to its outcome") {
  tests::leak_guard guard;
  const auto line = line_of({.workers = 1}, [](pool& workers) {
    for (int i = 0; i < 5; ++i)
      workers.submit(in_parts, i).get();
  });
  std::map<std::uint64_t, std::map<std::string, json>> arrows;
  for (const auto& e : line)
    if (e.value("cat", "") == "flow" && e["name"] == "task") // others lead from outcome to get()
      arrows[e["id"].get<std::uint64_t>()][e["ph"].get<std::string>()] = e;
  CHECK(arrows.size() == 5);
  for (auto& [number, arrow] : arrows) {
    REQUIRE(arrow.size() == 3);
    CHECK(arrow["s"]["ts"] <= arrow["t"]["ts"]);
    CHECK(arrow["t"]["ts"] <= arrow["f"]["ts"]);
    CHECK(arrow["t"]["tid"] == 1);
    CHECK(arrow["s"]["tid"] != arrow["t"]["tid"]);
  }
}
