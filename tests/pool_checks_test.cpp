#include <bulkhead/tasks.hpp>

#include <doctest/doctest.h>

#include <chrono>
#include <fstream>
#include <string>
#include <unistd.h>

using namespace std::chrono_literals;
using bulkhead::pool;
using bulkhead::pool_options;

namespace {

std::string children() {
  std::ifstream file("/proc/self/task/" + std::to_string(::getpid()) + "/children");
  std::string all;
  std::getline(file, all);
  return all;
}

/// The message of the refusal; nothing may have been started.
std::string refusal(pool_options options) {
  const auto before = children();
  try {
    pool p{std::move(options)};
  } catch (const bulkhead::config_error& e) {
    CHECK(children() == before);
    return e.what();
  }
  return "accepted";
}

void refuses(pool_options options, const std::string& option, const std::string& value) {
  const auto text = refusal(std::move(options));
  INFO(text);
  CHECK(text.find("pool_options::" + option) != std::string::npos);
  CHECK(text.find(value) != std::string::npos);
  CHECK(text.find("allowed") != std::string::npos);
}

} // namespace

TEST_CASE("bad options are refused with the option, the value and what is allowed") {
  refuses({.workers = static_cast<std::size_t>(-1)}, "workers", "18446744073709551615");
  refuses({.workers = 10'000'000}, "workers", "10000000");
  refuses({.queue_capacity = 0}, "queue_capacity", "0");
  refuses({.queue_bytes = 1}, "queue_bytes", "1");
  refuses({.ring_capacity = 100}, "ring_capacity", "100");
  refuses({.ring_capacity = std::size_t{1} << 40}, "ring_capacity", "1099511627776");
  refuses({.nice = -5}, "nice", "-5");
  refuses({.nice = 50}, "nice", "50");
  refuses({.affinity = {-1}}, "affinity", "-1");
  refuses({.affinity = {5000}}, "affinity", "5000");
  refuses({.task_timeout = -1s}, "task_timeout", "-1000000000");
  refuses({.grace = -1s}, "grace", "-1000000000");
  refuses({.grace = 1000h}, "grace", "3600000000000000");
  refuses({.unresponsive_after = 1ms}, "unresponsive_after", "1000000");
  refuses({.max_age_per_worker = -1s}, "max_age_per_worker", "-1000000000");
  refuses({.restart = {.within = -1s}}, "restart.within", "-1000000000");
  refuses({.restart = {.backoff_initial = 10s, .backoff_max = 1s}}, "restart.backoff_initial",
          "10000000000");
  refuses({.limits = {.cpu_time = -1s}}, "limits.cpu_time", "-1000000000");
}

TEST_CASE("what only a process can have is refused where there are none") {
  const auto each = [](bulkhead::start_method start) {
    refuses({.start = start, .max_memory_per_worker = 1}, "max_memory_per_worker", "forkserver");
    refuses({.start = start, .limits = {.open_files = 50}}, "limits", "forkserver");
    refuses({.start = start, .sandbox = {.base = bulkhead::sandbox_profile::strict}}, "sandbox",
            "forkserver");
    refuses({.start = start, .affinity = {0}}, "affinity", "forkserver");
    refuses({.start = start, .nice = 1}, "nice", "forkserver");
    refuses({.start = start, .output = bulkhead::output_mode::capture}, "output", "forkserver");
    refuses({.start = start, .unresponsive_after = 9s}, "unresponsive_after", "forkserver");
  };
  each(bulkhead::start_method::thread);
  each(bulkhead::start_method::eager);
}

TEST_CASE("calls that make no sense are refused in words") {
  pool p{{.workers = 1}};
  CHECK_THROWS_AS(p.resize(0), bulkhead::config_error);
  CHECK_THROWS_AS(p.join(), bulkhead::config_error);
  CHECK_THROWS_AS(p.with({.timeout = -1ns}), bulkhead::config_error);
  CHECK_THROWS_AS(p.with({.deadline = -1h}), bulkhead::config_error);
  bulkhead::future<int> empty;
  CHECK_THROWS_AS(empty.wait(), bulkhead::config_error);
  CHECK_THROWS_AS(p.submit([](std::string s) { return s.size(); }, std::string(300 << 20, 'x')),
                  bulkhead::too_large);
}

TEST_CASE("reject says how full the backlog is, try_submit gives up") {
  pool p{{.workers = 1, .queue_capacity = 2, .on_full = bulkhead::on_full::reject}};
  auto busy = p.submit([] {
    for (;;) {
    }
  });
  std::string text;
  for (int i = 0; i < 1000 && text.empty(); ++i)
    try {
      p.submit([] {});
    } catch (const bulkhead::queue_full& e) {
      text = e.what();
    }
  CHECK(text.find("2 tasks of 2") != std::string::npos);
  CHECK(!p.try_submit([] {}).has_value());
}
