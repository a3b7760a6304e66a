#include "tools/config/checks.hpp"
#include "tools/text/shown.hpp"
#include "tools/text/units.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace bulkhead::config {

namespace {

/// One pass over a job; each function knows one subject.
class contradictions {
public:
  contradictions(const document& from, const job& wanted, problems& found)
    : from_(from), wanted_(wanted), found_(found) {}

  void check() {
    times();
    heartbeat();
    restarts();
    retry();
    limits();
    dispatch();
    threads();
    sizes();
    hedges();
    queue();
    input();
    output();
    if (wanted_.engine)
      engine();
  }

private:
  bool written(const char* path) const { return from_.root.contains(pointer(path)); }

  void add(const char* path, std::string why, std::string expected, std::string remedy) {
    const pointer at(path);
    const auto value = from_.root.contains(at) ? from_.root.at(at) : json{};
    found_.add(from_.value_place(at), fmt::format("{} is {}, {}", path_text(at), shown(value), why),
               std::move(expected), std::move(remedy));
  }

  void times() {
    const auto& task = wanted_.task_options;
    if (task.timeout.count() != 0 && task.soft_timeout >= task.timeout)
      add("/task_options/soft_timeout",
          "but the task is killed before, at the timeout of " + time_text(task.timeout),
          "less than task_options.timeout", "lower soft_timeout, or raise timeout");
    const auto hard = task.timeout.count() != 0 ? task.timeout : wanted_.pool.task_timeout;
    if (task.timeout.count() == 0 && hard.count() != 0 && task.soft_timeout >= hard)
      add("/task_options/soft_timeout",
          "but the task is killed before, at pool.task_timeout of " + time_text(hard),
          "less than pool.task_timeout", "lower soft_timeout, or raise task_timeout");
  }

  void heartbeat() {
    const auto silence = wanted_.pool.unresponsive_after;
    if (silence < std::chrono::milliseconds(50))
      add("/pool/unresponsive_after", "shorter than the heartbeats of a busy machine are apart",
          "a time of 50 ms or more; it cannot be switched off",
          "write a long one, \"unresponsive_after\": \"365d\"");
  }

  void restarts() {
    const auto& restart = wanted_.pool.restart;
    if (restart.backoff_initial > restart.backoff_max)
      add(written("/pool/restart/backoff_initial") ? "/pool/restart/backoff_initial"
                                                   : "/pool/restart/backoff_max",
          written("/pool/restart/backoff_initial")
            ? "which is longer than backoff_max, " + time_text(restart.backoff_max)
            : "which is shorter than backoff_initial, " + time_text(restart.backoff_initial),
          "backoff_initial <= backoff_max", "write the same time for both, or swap them");
    if (written("/pool/restart/within") && restart.within.count() == 0)
      add("/pool/restart/within", "a period in which nothing can be counted",
          "a time of more than 0", "write \"within\": \"10s\"");
    const auto retries = wanted_.task_options.retries.value_or(wanted_.pool.retries);
    if (retries > 0 && wanted_.pool.poison_after == 1)
      add("/pool/poison_after",
          fmt::format("so none of the {} retries can follow the death of a worker", retries),
          "0, or 2 and more, with retries", "write \"poison_after\": 3, or \"retries\": 0");
  }

  void retry() {
    const auto& retry = wanted_.pool.retry;
    const auto has = [&](failure_kind kind) {
      return std::find(retry.kinds.begin(), retry.kinds.end(), kind) != retry.kinds.end();
    };
    if (retry != retry_policy{} && wanted_.task_options.retries.value_or(wanted_.pool.retries) == 0)
      add("/pool/retry", "but nothing is tried again: retries is 0", "retries of 1 or more",
          "write \"retries\": 2, or remove \"retry\"");
    if (!retry.causes.empty() && !has(failure_kind::worker_died))
      add("/pool/retry/causes", "but pool.retry.kinds lacks worker_died", "causes of deaths",
          "add \"worker_died\" to kinds, or remove causes");
    if (!retry.types.empty() && !has(failure_kind::task_exception))
      add("/pool/retry/types", "but pool.retry.kinds lacks task_exception", "types of exceptions",
          "add \"task_exception\" to kinds, or remove types");
    if (retry.pause > retry.pause_max)
      add(written("/pool/retry/pause") ? "/pool/retry/pause" : "/pool/retry/pause_max",
          written("/pool/retry/pause")
            ? "which is longer than pause_max, " + time_text(retry.pause_max)
            : "which is shorter than pause, " + time_text(retry.pause),
          "pause <= pause_max", "write the same time for both, or swap them");
    if (retry.pause_max > std::chrono::hours{24})
      add("/pool/retry/pause_max", "longer than a day", "at most 24h",
          "write \"pause_max\": \"24h\"");
  }

  void limits() {
    const auto& limit = wanted_.pool.limits;
    const auto memory = wanted_.pool.max_memory_per_worker;
    const auto space = limit.address_space.value_or(UINT64_MAX);
    if (memory > space)
      add("/pool/max_memory_per_worker",
          "but no worker can get there: its address space ends at " + bytes_text(space),
          "at most pool.limits.address_space",
          "raise address_space, or lower max_memory_per_worker");
    const auto ring = wanted_.pool.ring_capacity;
    if (space < 2 * ring + (std::uint64_t{32} << 20))
      add("/pool/limits/address_space", "too little for program, stacks and channel",
          fmt::format("at least {}", bytes_text(2 * ring + (std::uint64_t{32} << 20))),
          "write \"address_space\": \"1GiB\", or null");
    if (limit.open_files.value_or(UINT64_MAX) < 16)
      add("/pool/limits/open_files", "but a worker itself needs up to 16 descriptors", "16 or more",
          "write \"open_files\": 256, or null");
    if (memory != 0 && memory < (std::size_t{4} << 20))
      add("/pool/max_memory_per_worker", "less than an idle worker has", "at least 4MiB, or 0",
          "write \"max_memory_per_worker\": \"256MiB\"");
    if (ring < (std::size_t{64} << 10) || ring > (std::size_t{1} << 30))
      add("/pool/ring_capacity", "outside of what a channel can have", "from 64KiB to 1GiB",
          "leave it out (default: \"1MiB\")");
    if (wanted_.pool.queue_bytes < 4096)
      add("/pool/queue_bytes", "too little for a single task", "at least 4KiB",
          "leave it out (default: \"256MiB\")");
  }

  void dispatch() {
    const bool by_key = wanted_.pool.dispatch == dispatch_policy::key_hash;
    if (by_key && wanted_.task_options.key.empty())
      add("/pool/dispatch", "but the tasks have no key", "a key for dispatch by key",
          "write \"task_options\": {\"key\": \"{}\"}: each input is its own key");
    if (!by_key && !wanted_.task_options.key.empty())
      add("/task_options/key", "but pool.dispatch does not look at keys",
          "a key only with key_hash",
          "write \"pool\": {\"dispatch\": \"key_hash\"}, or remove the key");
  }

  /// What only a process can have.
  void threads() {
    const auto start = wanted_.pool.start;
    if (start != start_method::thread && start != start_method::eager)
      return;
    const auto why = fmt::format("but pool.start is {}: there are no worker processes",
                                 start == start_method::thread ? "thread" : "eager");
    for (const auto* path :
         {"/pool/max_memory_per_worker", "/pool/limits", "/pool/affinity", "/pool/nice",
          "/pool/unresponsive_after", "/pool/sandbox", "/pool/threads_per_worker"})
      if (written(path))
        add(path, why, "options of processes only with processes",
            "remove it, or write \"start\": \"forkserver\"");
    if (wanted_.pool.output != output_mode::inherit)
      add("/pool/output", why, "inherit", "remove it, or write \"start\": \"forkserver\"");
  }

  void sizes() {
    const auto& pool = wanted_.pool;
    const auto most = pool.max_workers != 0 ? pool.max_workers : SIZE_MAX;
    if (pool.min_workers > most)
      add("/pool/min_workers", fmt::format("more than max_workers, {}", most),
          "at most pool.max_workers", "lower min_workers, or raise max_workers");
    if (pool.workers > most)
      add("/pool/max_workers", fmt::format("less than workers, {}", pool.workers),
          "pool.workers or more", "raise max_workers, or lower workers");
    if (pool.workers != 0 && pool.min_workers > pool.workers)
      add("/pool/min_workers", fmt::format("more than workers, {}", pool.workers),
          "at most pool.workers", "lower min_workers, or raise workers");
    if (pool.idle_timeout.count() == 0)
      add("/pool/idle_timeout", "so that no worker could stay", "a time of more than 0",
          "write a long one, \"idle_timeout\": \"365d\"");
    const bool elastic = pool.min_workers != 0 || pool.max_workers != 0;
    if (pool.idle_timeout != pool_options{}.idle_timeout && !elastic)
      add("/pool/idle_timeout", "but the pool keeps its size: it has no min_workers or max_workers",
          "idle_timeout only with them", "write \"min_workers\": 1, or remove idle_timeout");
  }

  void hedges() {
    if (wanted_.pool.start != start_method::eager)
      return;
    for (const auto* path : {"/task_options/hedge_after", "/pool/prefetch"})
      if (written(path))
        add(path, "but pool.start is eager: there are no workers", "it only with workers",
            "remove it, or write \"start\": \"forkserver\"");
  }

  void queue() {
    if (wanted_.buffersize > wanted_.pool.queue_capacity && wanted_.pool.on_full == on_full::reject)
      add(
        "/map/buffersize",
        fmt::format("but the queue holds {} and rejects what is more", wanted_.pool.queue_capacity),
        "at most pool.queue_capacity with on_full reject",
        "lower buffersize, or write \"on_full\": \"block\"");
    if (wanted_.buffersize != 0 && wanted_.chunk > wanted_.buffersize)
      add("/map/chunk",
          fmt::format("but only {} inputs are in flight (map.buffersize)", wanted_.buffersize),
          "at most map.buffersize", "lower chunk, or leave buffersize out");
  }

  void input() {
    const auto at = pointer("/input");
    if (!from_.root.contains(at))
      return;
    const auto kinds = from_.root.at(at).size();
    const std::string expected = "exactly one of list, glob, lines, json_lines or range";
    if (kinds == 0)
      found_.add(from_.value_place(at), "input is {}, so there is nothing to do", expected,
                 "write \"input\": {\"list\": [1, 2, 3]}, or leave input out for one call");
    if (kinds > 1)
      found_.add(from_.value_place(at), fmt::format("input has {} kinds of inputs", kinds),
                 expected, "remove all but one");
    const auto* lines = std::get_if<line_input>(&wanted_.input);
    if (wanted_.spread && !std::holds_alternative<list_input>(wanted_.input)
        && !(lines != nullptr && lines->json))
      add("/map/spread", "but the inputs are no lists",
          "spread only with input.list or input.json_lines", "remove spread");
    const auto* list = std::get_if<list_input>(&wanted_.input);
    if (list != nullptr && list->items.empty() && wanted_.retry.empty())
      add("/input/list", "so there is nothing to do", "at least one input", "write an input");
    if (list != nullptr && wanted_.spread)
      for (std::size_t i = 0; i < list->items.size(); ++i)
        if (!list->items[i].is_array())
          add(fmt::format("/input/list/{}", i).c_str(), "but map.spread is true",
              "a list of arguments", fmt::format("write [{}]", shown(list->items[i])));
    if (const auto* range = std::get_if<range_input>(&wanted_.input))
      check_range(*range);
  }

  void check_range(const range_input& range) {
    if (range.step == 0)
      return add("/input/range/step", "so the range has no end", "a step that is not 0",
                 "write \"step\": 1");
    const bool empty = range.step > 0 ? range.from >= range.to : range.from <= range.to;
    if (empty)
      add("/input/range", "which holds no number",
          "\"from\" before \"to\" in the direction of \"step\"",
          range.from == range.to ? "raise \"to\"; it is not part of the range"
                                 : "swap \"from\" and \"to\", or turn the sign of \"step\"");
  }

  void output() {
    if (wanted_.reduce && wanted_.reduce->task == wanted_.reduce->finish)
      add("/reduce/finish", "the task that also merges", "another task, or null",
          "remove \"finish\"");
  }

  /// What only workers of this machine can have, and what an engine needs.
  void engine() {
    for (const auto* path :
         {"/pool/workers", "/pool/start", "/pool/max_tasks_per_worker",
          "/pool/max_memory_per_worker", "/pool/max_age_per_worker", "/pool/unresponsive_after",
          "/pool/dispatch", "/pool/restart", "/pool/limits", "/pool/ring_capacity", "/pool/output",
          "/pool/affinity", "/pool/nice", "/pool/actor_workers", "/pool/ready_within",
          "/pool/sandbox"})
      if (written(path))
        add(path, "but the job has an engine: tasks run on nodes",
            "options of workers where there are workers",
            "remove it, and set it where the nodes are started");
    if (!wanted_.engine->url.starts_with("amqp://") && !wanted_.engine->url.starts_with("amqps://"))
      add("/engine/url", "and BULKHEAD_ENGINE_URL is no URL either",
          "amqp://user:password@host/vhost, or amqps://",
          "write the URL, or set BULKHEAD_ENGINE_URL, which hides the password");
    if (wanted_.engine->queue.empty())
      add("/engine/queue", "but nodes and submitters share a queue", "the name of a queue",
          "write \"queue\": \"words\"");
    if (wanted_.engine->lease < std::chrono::seconds{1})
      add("/engine/lease", "too short to tell a lost node from a busy one", "1s or more",
          "write \"lease\": \"10s\"");
#ifndef BULKHEAD_WITH_RABBITMQ
    add("/engine", "but this command was built without librabbitmq", "a command that has it",
        "install librabbitmq-dev and build it again");
#endif
  }

  const document& from_;
  const job& wanted_;
  problems& found_;
};

} // namespace

void check_contradictions(const document& from, const job& wanted, problems& found) {
  contradictions{from, wanted, found}.check();
}

} // namespace bulkhead::config
