#include "tools/config/members.hpp"
#include "tools/config/read_job.hpp"

#include <filesystem>
#include <string>
#include <vector>

namespace bulkhead::config {

namespace {

constexpr std::string_view start_words[] = {"forkserver", "spawn", "fork", "thread", "eager"};
constexpr std::string_view on_full_words[] = {"block", "reject", "drop_oldest", "run_in_caller"};
constexpr std::string_view dispatch_words[] = {"least_loaded", "round_robin", "random", "key_hash"};
constexpr std::string_view sandbox_words[] = {"none", "standard", "strict"};
constexpr std::string_view kind_words[] = {"task_exception", "worker_died", "timeout"};
constexpr std::string_view cause_words[] = {
  "none",      "exited",           "crashed",          "killed",   "timed_out",    "memory_limit",
  "cpu_limit", "unresponsive",     "bad_message",      "recycled", "start_failed", "shutdown",
  "unknown",   "policy_violation", "neighbour_killed", "node_lost"};
constexpr std::string_view output_words[] = {"inherit", "prefix", "capture", "null"};

void read_restart(const members& from, restart_policy& to) {
  from.read("max_restarts", to.max_restarts);
  from.read_time("within", to.within);
  from.read_time("backoff_initial", to.backoff_initial);
  from.read_time("backoff_max", to.backoff_max);
}

void read_retry(const members& from, retry_policy& to) {
  from.read_words("kinds", kind_words, to.kinds);
  from.read_words("causes", cause_words, to.causes);
  from.read("types", to.types);
  from.read_time("pause", to.pause);
  from.read_time("pause_max", to.pause_max);
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

/// Paths of a job begin at its folder.
std::vector<std::string> read_paths(const members& from, const char* key,
                                    const std::filesystem::path& folder) {
  std::vector<std::string> paths;
  from.read(key, paths);
  for (auto& path : paths)
    path = (folder / path).string();
  return paths;
}

void read_sandbox(const members& from, const std::filesystem::path& folder, sandbox_policy& to) {
  from.read_word("base", sandbox_words, to.base);
  to.read = read_paths(from, "read", folder);
  to.write = read_paths(from, "write", folder);
  from.read("connect", to.connect);
  to.exec = read_paths(from, "exec", folder);
  from.read("allow_syscalls", to.allow_syscalls);
  from.read("environment", to.environment);
  from.read("threads", to.threads);
  from.read("executable_memory", to.executable_memory);
  from.read("first_user", to.first_user);
  from.read("require", to.require);
}

} // namespace

pool_options read_pool(const document& document, const std::filesystem::path& folder,
                       problems& found, const pointer& at) {
  const members from{document, at, found};
  pool_options to;
  from.read("workers", to.workers);
  from.read("min_workers", to.min_workers);
  from.read("max_workers", to.max_workers);
  from.read_time("idle_timeout", to.idle_timeout);
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
  read_retry({document, at / "retry", found}, to.retry);
  read_limits({document, at / "limits", found}, to.limits);
  from.read_bytes("ring_capacity", to.ring_capacity);
  from.read_word("output", output_words, to.output);
  from.read("affinity", to.affinity);
  from.read("nice", to.nice);
  from.read("prefetch", to.prefetch);
  from.read("threads_per_worker", to.threads_per_worker);
  from.read("actor_workers", to.actor_workers);
  from.read_time("ready_within", to.ready_within);
  read_sandbox({document, at / "sandbox", found}, folder, to.sandbox);
  return to;
}

} // namespace bulkhead::config
