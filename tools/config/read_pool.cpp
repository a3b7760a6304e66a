#include "tools/config/members.hpp"
#include "tools/config/read_job.hpp"

namespace bulkhead::config {

namespace {

constexpr std::string_view start_words[] = {"forkserver", "spawn", "fork", "thread", "eager"};
constexpr std::string_view on_full_words[] = {"block", "reject"};
constexpr std::string_view dispatch_words[] = {"least_loaded", "round_robin", "random", "key_hash"};
constexpr std::string_view output_words[] = {"inherit", "prefix", "capture", "null"};

void read_restart(const members& from, restart_policy& to) {
  from.read("max_restarts", to.max_restarts);
  from.read_time("within", to.within);
  from.read_time("backoff_initial", to.backoff_initial);
  from.read_time("backoff_max", to.backoff_max);
}

void read_limits(const members& from, resource_limits& to) {
  from.read_bytes("address_space", to.address_space);
  from.read_time("cpu_time", to.cpu_time);
  from.read("open_files", to.open_files);
  from.read_bytes("core_size", to.core_size);
  from.read_bytes("file_size", to.file_size);
  from.read_bytes("stack_size", to.stack_size);
  from.read("processes", to.processes);
}

} // namespace

pool_options read_pool(const document& document, problems& found) {
  const auto at = pointer{} / "pool";
  const members from{document, at, found};
  pool_options to;
  from.read("workers", to.workers);
  from.read_word("start", start_words, to.start);
  from.read("name", to.name);
  from.read("max_tasks_per_worker", to.max_tasks_per_worker);
  from.read_bytes("max_memory_per_worker", to.max_memory_per_worker);
  from.read_time("max_age_per_worker", to.max_age_per_worker);
  from.read_time("task_timeout", to.task_timeout);
  from.read_time("grace", to.grace);
  from.read_time("unresponsive_after", to.unresponsive_after);
  from.read("queue_capacity", to.queue_capacity);
  from.read_bytes("queue_bytes", to.queue_bytes);
  from.read_word("on_full", on_full_words, to.on_full);
  from.read_word("dispatch", dispatch_words, to.dispatch);
  read_restart({document, at / "restart", found}, to.restart);
  from.read("retries", to.retries);
  from.read("poison_after", to.poison_after);
  read_limits({document, at / "limits", found}, to.limits);
  from.read_bytes("ring_capacity", to.ring_capacity);
  from.read_word("output", output_words, to.output);
  from.read("affinity", to.affinity);
  from.read("nice", to.nice);
  from.read("actor_workers", to.actor_workers);
  return to;
}

} // namespace bulkhead::config
