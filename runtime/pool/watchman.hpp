#pragma once

#include "runtime/workers/answers.hpp"
#include "runtime/workers/pool_state.hpp"
#include "runtime/workers/workforce.hpp"

#include <cstdint>

namespace bulkhead::runtime {

/// Looks at the workers and the queue when it is time to, and carries out what worker_watch
/// decides.
class watchman {
public:
  watchman(pool_state& pool, task_queue& queue, dispatcher& sender, answers& heard,
           workforce& workers)
    : pool_(pool), queue_(queue), sender_(sender), answers_(heard), workers_(workers) {}

  /// On the runtime thread, when that timer of the ticker has fired.
  void tick(std::uint64_t number) BULKHEAD_EXCLUDES(pool_lock);

private:
  using look = watch_decision (worker_watch::*)(const worker_facts&, time_point);

  void forgive(time_point now, std::chrono::nanoseconds lag) noexcept BULKHEAD_REQUIRES(pool_lock);
  void look_at_all(time_point now) BULKHEAD_REQUIRES(pool_lock);
  void look_at(worker_slot& slot, time_point now) BULKHEAD_REQUIRES(pool_lock);
  void one_look(worker_slot& slot, look what, time_point now) BULKHEAD_REQUIRES(pool_lock);
  void look_at_memory(worker_slot& slot, time_point now) BULKHEAD_REQUIRES(pool_lock);
  worker_facts facts_of(const worker_slot& slot) const noexcept BULKHEAD_REQUIRES(pool_lock);
  void act(worker_slot& slot, const watch_decision& decision) BULKHEAD_REQUIRES(pool_lock);
  void end_for_task(worker_slot& slot, exit_cause why) BULKHEAD_REQUIRES(pool_lock);
  bool strike(worker_slot& slot, exit_cause why) BULKHEAD_REQUIRES(pool_lock);
  void kill(worker_slot& slot, exit_cause why) BULKHEAD_REQUIRES(pool_lock);
  void give_up(worker_slot& slot, exit_cause why) BULKHEAD_REQUIRES(pool_lock);

  pool_state& pool_;
  task_queue& queue_;
  dispatcher& sender_;
  answers& answers_;
  workforce& workers_;
};

} // namespace bulkhead::runtime
