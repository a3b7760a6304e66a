// Every option by its name, in the contract's order, each alone and all at once.
#include <bulkhead/bulkhead.hpp>

#include "expect.hpp"

#include <chrono>
#include <cstdlib>
#include <type_traits>

using namespace std::chrono_literals;

namespace {

void set_up(int) {}

bulkhead::pool_options all_options() {
  return {
    .workers = 1,
    .start = bulkhead::start_method::forkserver,
    .name = "all",
    .initializer = bulkhead::call(set_up, 3),
    .finalizer = [] {},
    .max_tasks_per_worker = 1'000'000,
    .max_memory_per_worker = std::size_t{4} << 30,
    .max_age_per_worker = 1h,
    .task_timeout = 30s,
    .grace = 1s,
    .unresponsive_after = 20s,
    .queue_capacity = 100,
    .queue_bytes = std::size_t{1} << 20,
    .on_full = bulkhead::on_full::block,
    .dispatch = bulkhead::dispatch_policy::least_loaded,
    .restart = {.max_restarts = 5, .within = 5s, .backoff_initial = 10ms, .backoff_max = 1s},
    .retries = 1,
    .poison_after = 2,
    .limits = {.core_size = 0},
    .ring_capacity = std::size_t{1} << 20,
    .output = bulkhead::output_mode::capture,
    .affinity = {},
    .nice = 0,
    .actor_workers = 0,
    .on_event = [](const auto&) {},
    .ready_within = 1min,
    .sandbox = {.base = bulkhead::sandbox_profile::standard, .audit = nullptr},
    .retry = {.kinds = {bulkhead::failure_kind::worker_died},
              .causes = {bulkhead::exit_cause::crashed},
              .types = {},
              .pause = 1ms,
              .pause_max = 1s},
    .min_workers = 1,
    .max_workers = 2,
    .idle_timeout = 10s,
    .prefetch = 4,
    .threads_per_worker = 1,
    .on_output = [](const bulkhead::output_line&) {},
    .measure_growth = true,
    .observe = false,
    .max_shared_result = 1 << 20,
  };
}

void options_are_aggregates() {
  static_assert(std::is_aggregate_v<bulkhead::pool_options>);
  static_assert(std::is_aggregate_v<bulkhead::task_options>);
  static_assert(std::is_aggregate_v<bulkhead::map_options>);
  static_assert(std::is_aggregate_v<bulkhead::restart_policy>);
  static_assert(std::is_aggregate_v<bulkhead::retry_policy>);
  static_assert(std::is_aggregate_v<bulkhead::resource_limits>);
}

void one_option_alone_gives_no_warning() {
  [[maybe_unused]] const bulkhead::pool_options options[] = {
    {.workers = 2},
    {.start = bulkhead::start_method::eager},
    {.name = "x"},
    {.task_timeout = 1min},
    {.queue_capacity = 10},
    {.on_full = bulkhead::on_full::reject},
    {.restart = {.max_restarts = 3}},
    {.retries = 2},
    {.limits = {.address_space = std::size_t{1} << 30}}};
  [[maybe_unused]] const bulkhead::task_options task_options[] = {
    {.timeout = 1s}, {.soft_timeout = 500ms}, {.deadline = 2s}, {.retries = 3}, {.priority = 1},
    {.key = "k"},    {.hedge_after = 1s}};
  [[maybe_unused]] const bulkhead::map_options map_options[] = {
    {.chunk = 10}, {.on_progress = [](std::size_t, std::size_t) {}}, {.buffersize = 5}};
}

} // namespace

int main(int argc, char** argv) {
  bulkhead::init(argc, argv);
  options_are_aggregates();
  one_option_alone_gives_no_warning();
  bulkhead::pool pool(all_options());
  EXPECT(pool.apply([](int x) { return x + 1; }, 41) == 42);
}
