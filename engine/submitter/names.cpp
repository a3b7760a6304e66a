#include "engine/submitter/names.hpp"

#include "engine/submitter/submitter.hpp"

#include <bulkhead/error.hpp>

#include <sys/random.h>
#include <unistd.h>

#include <algorithm>
#include <cinttypes>
#include <cstdio>

namespace bulkhead::engine {

std::string unique_name(const std::string& prefix) {
  char host[65] = {};
  ::gethostname(host, sizeof host - 1);
  std::uint64_t random = 0;
  while (::getrandom(&random, sizeof random, 0) != sizeof random) {
  }
  char end[40];
  std::snprintf(end, sizeof end, ".%d.%016" PRIx64, static_cast<int>(::getpid()), random);
  return prefix + "." + host + end;
}

std::uint32_t heartbeat_of(std::chrono::nanoseconds lease) noexcept {
  const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(lease).count();
  return static_cast<std::uint32_t>(std::clamp<std::int64_t>(seconds / 2, 1, 30));
}

courier_settings settings_of(const rabbitmq& engine, const std::string& own_queue) {
  courier_settings s;
  s.url = engine.url;
  s.ca_file = engine.ca_file;
  s.certificate_file = engine.certificate_file;
  s.key_file = engine.key_file;
  s.own_queue = own_queue;
  s.exchange = exchange_of(engine.queue);
  return s;
}

namespace {

void require(bool good, const std::string& member, const std::string& value,
             const std::string& allowed) {
  if (!good)
    throw config_error("rabbitmq::" + member + " is " + value + "; allowed: " + allowed);
}

bool is_name(const std::string& name) {
  return !name.empty() && name.size() <= 100 && std::all_of(name.begin(), name.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-'
           || c == '_' || c == '.';
  });
}

// All of it, for amqps and for amqp.
void check_files(const rabbitmq& e) {
  const bool tls = e.url.starts_with("amqps://");
  for (const auto& [file, member] :
       {std::pair{&e.ca_file, "ca_file"}, std::pair{&e.certificate_file, "certificate_file"},
        std::pair{&e.key_file, "key_file"}}) {
    require(tls || file->empty(), member, "\"" + *file + "\"", "only with an amqps:// URL");
    if (!file->empty() && ::access(file->c_str(), R_OK) != 0)
      require(false, member, "\"" + *file + "\", which cannot be read", "a readable file");
  }
  require(e.certificate_file.empty() == e.key_file.empty(), "key_file", "\"" + e.key_file + "\"",
          "set together with certificate_file");
}

} // namespace

void check(const rabbitmq& e) {
  require(e.url.starts_with("amqp://") || e.url.starts_with("amqps://"), "url",
          "\"" + without_password(e.url) + "\"",
          "amqp://user:password@host:port/vhost, or amqps://");
  require(is_name(e.queue), "queue", "\"" + e.queue + "\"", "1 to 100 letters, digits, and - _ .");
  require(e.lease >= std::chrono::seconds{1} && e.lease <= std::chrono::hours{24}, "lease",
          std::to_string(e.lease.count()) + " ns", "1 s to 24 h");
  require(e.nodes_within.count() >= 0, "nodes_within",
          std::to_string(e.nodes_within.count()) + " ns", "0 ns or more");
  require(e.batch_tasks >= 1 && e.batch_tasks <= 10'000, "batch_tasks",
          std::to_string(e.batch_tasks), "1 to 10,000");
  require(e.batch_bytes >= 1 && e.batch_bytes <= (std::size_t{16} << 20), "batch_bytes",
          std::to_string(e.batch_bytes), "1 to 16,777,216 (16 MiB)");
  check_files(e);
}

// Whatever else concerns workers, and those are the nodes'.
void check_for_engine(const pool_options& o) {
  const pool_options plain;
  const auto only_default = [](bool is_default, const char* option) {
    if (!is_default)
      throw config_error(std::string("pool_options::") + option
                         + " is set, and the pool has an engine; it has no effect there: set it "
                           "where the nodes are started");
  };
  only_default(o.workers == 0, "workers");
  only_default(o.start == plain.start, "start");
  only_default(!o.initializer, "initializer");
  only_default(!o.finalizer, "finalizer");
  only_default(o.max_tasks_per_worker == 0, "max_tasks_per_worker");
  only_default(o.max_memory_per_worker == 0, "max_memory_per_worker");
  only_default(o.max_age_per_worker.count() == 0, "max_age_per_worker");
  only_default(o.unresponsive_after == plain.unresponsive_after, "unresponsive_after");
  only_default(o.dispatch == plain.dispatch, "dispatch");
  only_default(!o.restart.max_restarts && o.restart.within == plain.restart.within
                 && o.restart.backoff_initial == plain.restart.backoff_initial
                 && o.restart.backoff_max == plain.restart.backoff_max,
               "restart");
  only_default(o.limits == plain.limits, "limits");
  only_default(o.ring_capacity == plain.ring_capacity, "ring_capacity");
  only_default(o.output == plain.output, "output");
  only_default(o.affinity.empty(), "affinity");
  only_default(o.nice == 0, "nice");
  only_default(o.actor_workers == 0, "actor_workers");
  only_default(o.ready_within == plain.ready_within, "ready_within");
  only_default(o.sandbox == plain.sandbox, "sandbox");
  only_default(o.min_workers == 0, "min_workers");
  only_default(o.max_workers == 0, "max_workers");
  only_default(o.idle_timeout == plain.idle_timeout, "idle_timeout");
  only_default(!o.prefetch, "prefetch");
  only_default(o.threads_per_worker == 0, "threads_per_worker");
  only_default(!o.on_output, "on_output");
  only_default(!o.measure_growth, "measure_growth");
  only_default(!o.observe, "observe");
  only_default(o.max_shared_result == 0, "max_shared_result");
  if (o.on_full != on_full::block && o.on_full != on_full::reject)
    throw config_error("pool_options::on_full is drop_oldest or run_in_caller; allowed with an "
                       "engine: block, reject");
}

} // namespace bulkhead::engine
