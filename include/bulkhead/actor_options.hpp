#pragma once

#include <chrono>
#include <cstddef>
#include <string>

namespace bulkhead {

/// Options of single actors, through `pool.with(actor_options)`.
struct actor_options {
  /// Hard limit of one message, from when the actor begins it: its worker is killed, and monitors
  /// hear `timed_out`. 0: pool_options::task_timeout.
  std::chrono::nanoseconds message_timeout{};
  /// Bytes of resident memory of its process, beyond what that had at its start; with
  /// placement::own_process only. 0: pool_options::max_memory_per_worker.
  std::size_t memory_limit = 0;
  /// For people, as pool::actors() shows it. Empty: the name by which the behaviour is registered.
  std::string name = {};
  /// How long its start may take: its constructor, or its behaviour's first run. Then it has
  /// failed, and its worker is killed. 0: 30 s.
  std::chrono::nanoseconds start_timeout{};
};

} // namespace bulkhead
