// ctest-link: bulkhead_config
#include "tests/support/bad_configs.hpp"
#include "tests/support/temporary_folder.hpp"
#include "tools/config/load_job.hpp"
#include "tools/config/read_job.hpp"
#include "tools/config/schema.hpp"
#include "tools/text/json_reader.hpp"
#include "tools/text/nearest.hpp"
#include "tools/text/source.hpp"
#include "tools/text/units.hpp"

#include <bulkhead/options.hpp>
#include <bulkhead/task.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <fstream>

#include <sys/stat.h>

using namespace bulkhead;
using namespace bulkhead::config;
using bulkhead::testing::bad_configs;
using bulkhead::testing::temporary_folder;
using namespace std::chrono_literals;

BULKHEAD_TASK("bulkhead.echo", [](const std::string& text) { return text; })

namespace {

std::string refused(const std::filesystem::path& file, std::vector<std::string> settings = {}) {
  problems found;
  const auto job = load_job({file, std::move(settings), {}}, found);
  REQUIRE_FALSE(job);
  REQUIRE_FALSE(found.none());
  for (const auto& p : found.all()) {
    CHECK_FALSE(p.what.empty());
    CHECK_FALSE(p.expected.empty());
    CHECK_FALSE(p.remedy.empty());
  }
  return found.render();
}

job accepted(const std::filesystem::path& file, std::vector<std::string> settings = {}) {
  problems found;
  auto made = load_job({file, std::move(settings), {}}, found);
  INFO(found.render());
  REQUIRE(made);
  return *made;
}

std::string source_file(const char* name) { return std::string(BULKHEAD_SOURCE_DIR "/") + name; }

} // namespace

TEST_CASE("each bad configuration is refused with place, value, expectation and remedy") {
  const temporary_folder folder;
  REQUIRE(bad_configs().size() >= 60);
  for (const auto& bad : bad_configs())
    SUBCASE(bad.name.c_str()) {
      const auto file = folder.write("job.json", bad.text);
      const auto report = refused(file);
      INFO(report);
      const auto place = file.string() + (bad.place.empty() ? ":" : ":" + bad.place + ":");
      CHECK(report.find(place) != std::string::npos);
      for (const auto part : bad.parts) {
        CAPTURE(part);
        CHECK(report.find(part) != std::string::npos);
      }
    }
}

TEST_CASE("all that is wrong is told at once, in the order of the file") {
  const temporary_folder folder;
  const auto file = folder.write("job.json", R"({
  "task": "bulkhead.ecko",
  "pool": {"wrokers": 4, "workers": -3, "grace": "soon", "restart": {"within": 0}},
  "input": {"glob": "/nowhere/*"},
  "output": "/nowhere/out"
})");
  const auto report = refused(file, {"map.chunk=-1"});
  INFO(report);
  std::size_t last = 0;
  for (const auto* part : {"--set map.chunk=-1: map.chunk is -1", ":2:11: task is",
                           ":3:12: pool.wrokers", ":3:37: pool.workers", ":3:50: pool.grace",
                           ":3:80: pool.restart.within", ":4:21: input.glob", ":5:13: output"}) {
    CAPTURE(part);
    const auto at = report.find(part);
    REQUIRE(at != std::string::npos);
    CHECK(at >= last);
    last = at;
  }
}

TEST_CASE("a message shows the line and points to the place") {
  const temporary_folder folder;
  const auto file =
    folder.write("job.json", "{\n  \"task\": \"bulkhead.echo\",\n  \"ä\": 1, \"nam\": 2}\n");
  const auto report = refused(file);
  CHECK(report.find("     3 |   \"ä\": 1, \"nam\": 2}\n       |           ^\n")
        != std::string::npos);
}

TEST_CASE("no control character of a job reaches the terminal") {
  const temporary_folder folder;
  for (const char* text :
       {R"({"task": "bulkhead.echo", "p\u001bl": {"n": 1e999, "n": 2}, "\u007f": 1})",
        R"({"task": "bulkhead.echo", "p\u001bl": {"n": nu\u0007})", "{\"p\x7fl\": {\"n\": +\x7f}}",
        "{\"p\x1b\" \x1b 1}", "{p\x7fl: 1}", "{\"a\": \"\\\x7f\"}", "{\"a\": \x1b}"}) {
    CAPTURE(text);
    const auto report = refused(folder.write("job.json", text), {"p\x1b.q=1"});
    CAPTURE(report);
    CHECK(std::none_of(report.begin(), report.end(),
                       [](unsigned char c) { return c == 0x7f || (c < 0x20 && c != '\n'); }));
  }
}

TEST_CASE("a misspelling of any key is answered with the key") {
  const auto& properties = schema()["properties"]["pool"]["properties"];
  const temporary_folder folder;
  for (const auto& [key, part] : properties.items()) {
    auto wrong = key;
    std::swap(wrong[0], wrong[1]);
    if (wrong == key)
      continue;
    const auto file =
      folder.write("job.json", R"({"task": "bulkhead.echo", "pool": {")" + wrong + "\": 1}}");
    CAPTURE(wrong);
    CHECK(refused(file).find("did you mean \"" + key + "\"?") != std::string::npos);
  }
}

TEST_CASE("what is no regular file is refused without waiting for it") {
  const temporary_folder folder;
  const auto fifo = folder.path() / "fifo";
  REQUIRE(::mkfifo(fifo.c_str(), 0600) == 0);
  CHECK(refused(fifo).find("is a FIFO") != std::string::npos);
  CHECK(refused(folder.path()).find("is a directory") != std::string::npos);
  CHECK(refused("/dev/zero").find("is a device") != std::string::npos);
  const auto missing = refused(folder.path() / "missing.json");
  CHECK(missing.find("No such file") != std::string::npos);
  CHECK(missing.find("check the spelling") != std::string::npos);
}

TEST_CASE("byte order mark, CRLF, comments and whole numbers with an exponent are fine") {
  const temporary_folder folder;
  const auto file = folder.write(
    "job.json", "\xEF\xBB\xBF// a comment\r\n{\r\n\"task\": /* here */ \"bulkhead.echo\",\r\n"
                "\"input\": {\"list\": [\"a\"]},\r\n\"map\": {\"chunk\": 1e2}}\r\n");
  CHECK(accepted(file).chunk == 100);
}

TEST_CASE("the reference shows every property of the schema") {
  problems found;
  const auto reference = read_document({source_file("config/reference.jsonc"), {}, {}}, found);
  REQUIRE(reference);
  const std::function<void(const json&, const pointer&)> visit = [&](const json& part,
                                                                     const pointer& at) {
    for (const auto& [key, below] : part["properties"].items()) {
      CAPTURE((at / key).to_string());
      CHECK(reference->root.contains(at / key));
      const auto inner = schema_of(at / key);
      const bool alternatives =
        at.empty()
        && (key == "input" || key == "reduce" || key == "system"); // shown in comments, or beside
      if (inner.contains("properties") && !alternatives)
        visit(inner, at / key);
    }
  };
  visit(schema(), pointer{});
}

TEST_CASE("the reference and the schema name the defaults of pool_options") {
  problems found;
  const auto reference = read_document({source_file("config/reference.jsonc"), {}, {}}, found);
  REQUIRE(reference);
  const auto read = read_pool(*reference, {}, found);
  const pool_options plain;
  CHECK(found.none());
  CHECK(read.workers == plain.workers);
  CHECK(read.start == plain.start);
  CHECK(read.name == plain.name);
  CHECK(read.max_tasks_per_worker == plain.max_tasks_per_worker);
  CHECK(read.max_memory_per_worker == plain.max_memory_per_worker);
  CHECK(read.max_age_per_worker == plain.max_age_per_worker);
  CHECK(read.task_timeout == plain.task_timeout);
  CHECK(read.grace == plain.grace);
  CHECK(read.unresponsive_after == plain.unresponsive_after);
  CHECK(read.queue_capacity == plain.queue_capacity);
  CHECK(read.queue_bytes == plain.queue_bytes);
  CHECK(read.on_full == plain.on_full);
  CHECK(read.dispatch == plain.dispatch);
  CHECK(read.restart.max_restarts == plain.restart.max_restarts);
  CHECK(read.restart.within == plain.restart.within);
  CHECK(read.restart.backoff_initial == plain.restart.backoff_initial);
  CHECK(read.restart.backoff_max == plain.restart.backoff_max);
  CHECK(read.retries == plain.retries);
  CHECK(read.poison_after == plain.poison_after);
  CHECK(read.limits.address_space == plain.limits.address_space);
  CHECK(read.limits.cpu_time == plain.limits.cpu_time);
  CHECK(read.limits.open_files == plain.limits.open_files);
  CHECK(read.limits.core_size == plain.limits.core_size);
  CHECK(read.limits.file_size == plain.limits.file_size);
  CHECK(read.limits.stack_size == plain.limits.stack_size);
  CHECK(read.limits.processes == plain.limits.processes);
  CHECK(read.ring_capacity == plain.ring_capacity);
  CHECK(read.output == plain.output);
  CHECK(read.affinity == plain.affinity);
  CHECK(read.nice == plain.nice);
  CHECK(read.min_workers == plain.min_workers);
  CHECK(read.max_workers == plain.max_workers);
  CHECK(read.idle_timeout == plain.idle_timeout);
  CHECK(read.retry == plain.retry);
  CHECK(read.prefetch == plain.prefetch);
  CHECK(read.threads_per_worker == plain.threads_per_worker);
  CHECK(read.sandbox == plain.sandbox);
  CHECK(read.actor_workers == plain.actor_workers);
  CHECK(read.ready_within == plain.ready_within);
  const std::function<void(const pointer&)> compare = [&](const pointer& at) {
    const auto part = schema_of(at);
    if (part.contains("default")) {
      CAPTURE(at.to_string());
      CHECK(part["default"] == reference->root.at(at));
    }
    if (part.contains("properties"))
      for (const auto& [key, below] : part["properties"].items())
        compare(at / key);
  };
  compare(pointer("/pool"));
  compare(pointer("/map"));
  compare(pointer("/task_options"));
}

TEST_CASE("the reference is a job that is good") {
  const auto made = accepted(source_file("config/reference.jsonc"));
  CHECK(made.task == "bulkhead.echo");
  CHECK(made.ordered);
  CHECK_FALSE(made.reduce);
}

TEST_CASE("a job's sandbox names paths beside the job, and one that cannot work is refused") {
  const temporary_folder folder;
  const auto with = [&](const std::string& sandbox) {
    return folder.write("job.json", R"({"task": "bulkhead.echo", "input": {"list": ["a"]},)"
                                    R"( "pool": {"sandbox": )"
                                      + sandbox + "}}");
  };
  const auto made =
    accepted(with(R"({"base": "strict", "read": ["."], "connect": [443], "threads": true})"));
  CHECK(made.pool.sandbox.base == bulkhead::sandbox_profile::strict);
  CHECK(made.pool.sandbox.read == std::vector<std::string>{(folder.path() / ".").string()});
  CHECK(made.pool.sandbox.connect == std::vector<std::uint16_t>{443});
  CHECK(made.pool.sandbox.threads);
  CHECK(refused(with(R"({"base": "strict", "read": ["nowhere"]})")).find("sandbox.read is")
        != std::string::npos);
  CHECK(refused(with(R"({"base": "strict", "connect": [70000]})")).find("pool.sandbox.connect[0]")
        != std::string::npos);
  CHECK(refused(with(R"({"base": "loose"})")).find("pool.sandbox.base is \"loose\"")
        != std::string::npos);
  CHECK(refused(with(R"({"base": "strict", "allow_syscalls": ["opne"]})")).find("\"opne\"")
        != std::string::npos);
}

TEST_CASE("settings win over the file, later ones over earlier ones") {
  const temporary_folder folder;
  const auto file =
    folder.write("job.json", R"({"task": "x", "input": {"list": ["a"]}, "pool": {"nice": 3}})");
  const auto made =
    accepted(file, {"task=bulkhead.echo", "pool.grace=1ms", "pool.grace=3s",
                    "pool.restart.within=1.5", "input.list=[\"b\", \"c\"]", "map.ordered=false"});
  CHECK(made.task == "bulkhead.echo");
  CHECK(made.pool.grace == 3s);
  CHECK(made.pool.nice == 3);
  CHECK(made.pool.restart.within == 1500ms);
  CHECK_FALSE(made.ordered);
  CHECK(std::get<list_input>(made.input).items.size() == 2);
}

TEST_CASE("a setting that is none is refused with its own place") {
  const temporary_folder folder;
  const auto file =
    folder.write("job.json", R"({"task": "bulkhead.echo", "input": {"list": ["a"]}})");
  CHECK(refused(file, {"pool.workers"}).find("is no setting") != std::string::npos);
  CHECK(refused(file, {"pool.wrokers=3"}).find("--set pool.wrokers=3: pool.wrokers is unknown")
        != std::string::npos);
  CHECK(refused(file, {"task.name=3"}).find("leads through a value that is no object")
        != std::string::npos);
  CHECK(refused(file, {"input={\"list\": }"}).find("--set input=") != std::string::npos);
}

TEST_CASE("times and sizes are read exactly") {
  CHECK(parse_time("100ms") == 100ms);
  CHECK(parse_time("1.5 s") == 1500ms);
  CHECK(parse_time("2min") == 2min);
  CHECK_FALSE(parse_time("2"));
  CHECK_FALSE(parse_time("-2s"));
  CHECK_FALSE(parse_time("366d"));
  CHECK(time_text(90s) == "90s");
  CHECK(time_text(2ms) == "2ms");
  CHECK(parse_bytes("256MiB") == std::uint64_t{256} << 20);
  CHECK(parse_bytes("1KB") == 1000);
  CHECK_FALSE(parse_bytes("0.3B"));
  CHECK_FALSE(parse_bytes("1e3B"));
  CHECK(bytes_text(std::uint64_t{1} << 20) == "1MiB");
}

TEST_CASE("a name that is nowhere near is not suggested") {
  const std::vector<std::string> known{"workers", "start", "queue_capacity"};
  CHECK(nearest("wrokers", known) == "workers");
  CHECK(nearest("Workers", known) == "workers");
  CHECK(nearest("capacity", known) == "queue_capacity");
  CHECK_FALSE(nearest("zzz", known));
}
