#pragma once

#include "runtime/workers/outcomes.hpp"
#include "runtime/workers/pool_state.hpp"
#include "runtime/workers/task_queue.hpp"

#include <chrono>
#include <cstdint>
#include <memory>

namespace bulkhead::runtime {

/// Sends queued tasks to workers, and takes back what they have not begun.
class dispatcher {
public:
  dispatcher(pool_state& pool, outcomes& ends, task_queue& queue)
    : pool_(pool), ends_(ends), queue_(queue) {}

  /// Sends what can be sent, lets go of workers that drain and are idle, and sees to it that idle
  /// ones get what lies behind others. Called after whatever may have made that possible.
  void pump() noexcept BULKHEAD_REQUIRES(pool_lock);

  /// Takes nothing more, and is replaced.
  void retire(worker_slot& slot) noexcept BULKHEAD_REQUIRES(pool_lock);
  /// Ends it at once; its death is told later.
  void kill(worker_slot& slot, exit_cause why) noexcept BULKHEAD_REQUIRES(pool_lock);
  /// It may never be sent anything more.
  bool is_used_up(const worker_slot& slot) const noexcept BULKHEAD_REQUIRES(pool_lock);
  /// Asks those that drain and are idle to end.
  void stop_idle_workers() noexcept BULKHEAD_REQUIRES(pool_lock);

  /// What the worker provably has not begun, from `from` on, waits again. It may end: no unit that
  /// was there is looked at afterwards.
  void recall(worker_slot& slot, position from) noexcept BULKHEAD_REQUIRES(pool_lock);
  /// For flight's callbacks: the items from `first` on, which are the worker's no more, go into the
  /// list as a unit of their own. Where there is no memory to cut the unit, they end as failures.
  void take_back(worker_slot& slot, unit& work, std::uint32_t first, std::unique_ptr<unit> owner,
                 unit_list& into) noexcept BULKHEAD_REQUIRES(pool_lock);
  /// They wait again, or end where they are not to run any more. The list is empty then.
  void give_back(unit_list& units) noexcept BULKHEAD_REQUIRES(pool_lock);

  /// Its worker is asked to end the running task, and killed after the grace.
  void request_kill(unit& u) noexcept BULKHEAD_REQUIRES(pool_lock);

  /// The front item of its flight, what it may take, and whether it runs.
  worker_facts facts_of(const worker_slot& slot) const noexcept BULKHEAD_REQUIRES(pool_lock);
  /// After work was sent or answered: limits begin.
  void plan_looks(worker_slot& slot) noexcept BULKHEAD_REQUIRES(pool_lock);
  /// What lies unstarted in rings beyond its deadline.
  void tick(time_point now) noexcept BULKHEAD_REQUIRES(pool_lock);

private:
  bool pump_one() BULKHEAD_REQUIRES(pool_lock);
  void keep_lanes() noexcept BULKHEAD_REQUIRES(pool_lock);
  bool send_to(worker_slot& slot, std::unique_ptr<unit>& u) noexcept BULKHEAD_REQUIRES(pool_lock);
  void put_off(std::unique_ptr<unit> u) noexcept BULKHEAD_REQUIRES(pool_lock);
  worker_slot* choose(const unit& u) BULKHEAD_REQUIRES(pool_lock);
  bool has_room(const worker_slot& slot, const unit& u) const noexcept BULKHEAD_REQUIRES(pool_lock);
  bool cut_to_fit(unit& u, std::size_t items) noexcept BULKHEAD_REQUIRES(pool_lock);
  std::unique_ptr<unit> detach(worker_slot& slot, unit& work, std::uint32_t first,
                               std::unique_ptr<unit> owner) noexcept BULKHEAD_REQUIRES(pool_lock);
  std::unique_ptr<unit> split_or_fail(unit& work, std::uint32_t first) noexcept
    BULKHEAD_REQUIRES(pool_lock);
  const failure* end_of_returned(const unit& u, failure& room) const noexcept
    BULKHEAD_REQUIRES(pool_lock);
  void expire_sent(worker_slot& slot, time_point now) noexcept BULKHEAD_REQUIRES(pool_lock);
  // hedging.cpp
  void hedge() BULKHEAD_REQUIRES(pool_lock);
  worker_slot* idle_beside(const worker_slot& slot, const unit& u) const noexcept
    BULKHEAD_REQUIRES(pool_lock);
  void begin_hedge(unit& first, worker_slot& where) BULKHEAD_REQUIRES(pool_lock);
  /// Ends the runs that have lost.
  void end_lost() BULKHEAD_REQUIRES(pool_lock);
  void plan_for_idle() noexcept BULKHEAD_REQUIRES(pool_lock);
  std::chrono::nanoseconds limit_of(const unit& u) const noexcept;
  static std::chrono::nanoseconds soft_limit_of(const unit& u) noexcept;

  pool_state& pool_;
  outcomes& ends_;
  task_queue& queue_;
  /// The next deadline of a unit that was sent.
  time_point sent_deadline_ BULKHEAD_GUARDED_BY(pool_lock) = time_point::max();
  std::uint64_t lanes_of_ BULKHEAD_GUARDED_BY(pool_lock) = 0; ///< those who served then, as a hash
};

} // namespace bulkhead::runtime
