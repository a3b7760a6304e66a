#pragma once

#include "runtime/dispatch/backlog.hpp"
#include "runtime/dispatch/elastic.hpp"
#include "runtime/dispatch/gathering.hpp"
#include "runtime/dispatch/growth_book.hpp"
#include "runtime/dispatch/ledger.hpp"
#include "runtime/dispatch/policy.hpp"
#include "runtime/dispatch/restart_intensity.hpp"
#include "runtime/dispatch/staffing.hpp"
#include "runtime/this_process/reactor.hpp"
#include "runtime/workers/pool_lock.hpp"
#include "runtime/workers/ticker.hpp"
#include "runtime/workers/waiters.hpp"
#include "runtime/workers/worker_slot.hpp"

#include <bulkhead/detail/pool_core.hpp>

#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <utility>
#include <vector>

namespace bulkhead::runtime {

/// What the parts of one pool share. One lock guards all of it; user code never runs under it.
/// Threads that come here: callers, the runtime thread (deaths, timers, answers while nobody
/// waits), the launch thread (replacements), the callback thread (as a caller).
///
/// The parts, each of which calls only those before it: outcomes (what becomes of a task),
/// task_queue (who waits), attempts (who is tried again), dispatcher (who is sent where, and taken
/// back), answers (what workers say), leadership (who listens to them), news (what is told),
/// workforce (who works), watchman (for how long), and worker_pool, the facade.
struct pool_state {
  explicit pool_state(pool_options o);

  // Constant.
  const pool_options options;
  const std::size_t parallelism;
  const std::uint64_t owner; ///< own_process::identity when made
  const std::shared_ptr<reactor> runtime_thread;
  std::weak_ptr<detail::pool_core> self; ///< set once, before any worker starts

  // Locks for itself.
  std::mutex mutex;
  waiters waiting;

  // Guarded by the lock.
  ledger tasks BULKHEAD_GUARDED_BY(pool_lock);
  backlog queue BULKHEAD_GUARDED_BY(pool_lock);
  gathering gather BULKHEAD_GUARDED_BY(pool_lock);
  std::vector<slot_ptr> slots BULKHEAD_GUARDED_BY(pool_lock);
  std::uint64_t slots_version BULKHEAD_GUARDED_BY(pool_lock) = 1;
  /// Some worker was sent to that does not ring yet; see pool_turn.
  bool some_unarmed BULKHEAD_GUARDED_BY(pool_lock) = false;
  /// Some task with hedge_after was sent.
  bool hedging BULKHEAD_GUARDED_BY(pool_lock) = false;
  /// Some run of a hedged task has lost and is to be ended.
  bool some_lost BULKHEAD_GUARDED_BY(pool_lock) = false;
  growth_book growth BULKHEAD_GUARDED_BY(pool_lock);
  staffing staff BULKHEAD_GUARDED_BY(pool_lock);
  elastic size BULKHEAD_GUARDED_BY(pool_lock);
  restart_intensity intensity BULKHEAD_GUARDED_BY(pool_lock);
  picker picks BULKHEAD_GUARDED_BY(pool_lock);
  ticker ticks BULKHEAD_GUARDED_BY(pool_lock);
  bool closed BULKHEAD_GUARDED_BY(pool_lock) = false;
  bool terminated BULKHEAD_GUARDED_BY(pool_lock) = false;
  std::optional<failure> broken BULKHEAD_GUARDED_BY(pool_lock);
  /// Is told of each outcome and event; null: nobody looks on, and nothing is measured for them.
  std::shared_ptr<detail::onlooker> onlooker BULKHEAD_GUARDED_BY(pool_lock);

  /// It starts nothing more.
  bool ended() const noexcept BULKHEAD_REQUIRES(pool_lock) { return terminated || broken; }
  worker_slot* find_slot(std::size_t id) const noexcept BULKHEAD_REQUIRES(pool_lock);
  bool is_listed(const worker_slot& slot) const noexcept BULKHEAD_REQUIRES(pool_lock);
  std::size_t serving() const noexcept BULKHEAD_REQUIRES(pool_lock);
  /// Who alone may run it now: a broadcast's worker, or the owner of its key.
  backlog::lane_id lane_of(const unit& u) const noexcept BULKHEAD_REQUIRES(pool_lock);
  /// Throws pool_broken or pool_closed where no task is taken.
  void check_open() const BULKHEAD_REQUIRES(pool_lock);

  /// So that a call from another thread finds the pool, or does nothing.
  template <class F>
  auto while_alive(F f) const {
    return [weak = self, f = std::move(f)](auto&&... arguments) mutable {
      if (const auto alive = weak.lock())
        f(std::forward<decltype(arguments)>(arguments)...);
    };
  }
};

} // namespace bulkhead::runtime
