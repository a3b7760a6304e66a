#pragma once

#include "runtime/dispatch/unit.hpp"
#include "runtime/this_process/reactor.hpp"
#include "runtime/workers/pool_lock.hpp"

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>

namespace bulkhead::runtime {

/// The one timer of a pool: whoever must look again at some time says so, and the soonest counts.
class ticker {
public:
  /// `fire(number)` runs on the runtime thread, without the pool's lock. `bell` is rung where the
  /// timer is owed for want of memory.
  ticker(std::shared_ptr<reactor> r, int bell) : reactor_(std::move(r)), bell_(bell) {}
  void on_tick(std::function<void(std::uint64_t number)> fire) { fire_ = std::move(fire); }

  void need(time_point at) noexcept BULKHEAD_REQUIRES(pool_lock);
  /// For what could not be done now for want of memory or room.
  void retry_soon() noexcept BULKHEAD_REQUIRES(pool_lock);
  /// Tries again where there was no memory for the timer.
  void pay() noexcept BULKHEAD_REQUIRES(pool_lock);
  /// When that timer was due; none: another one has taken its place.
  std::optional<time_point> begin(std::uint64_t number) noexcept BULKHEAD_REQUIRES(pool_lock);
  bool due_within(std::chrono::nanoseconds time) const noexcept BULKHEAD_REQUIRES(pool_lock) {
    return at_ <= clock::now() + time;
  }
  /// No more timers. Returns the one that stands, for reactor::cancel without the lock; 0: none.
  std::uint64_t stop() noexcept BULKHEAD_REQUIRES(pool_lock);

private:
  const std::shared_ptr<reactor> reactor_;
  const int bell_;
  std::function<void(std::uint64_t)> fire_;
  std::uint64_t timer_ BULKHEAD_GUARDED_BY(pool_lock) = 0;
  time_point at_ BULKHEAD_GUARDED_BY(pool_lock) = time_point::max();
  time_point owed_ BULKHEAD_GUARDED_BY(pool_lock) = time_point::max();
  std::uint64_t number_ BULKHEAD_GUARDED_BY(pool_lock) = 0; ///< of the timer that counts
  bool over_ BULKHEAD_GUARDED_BY(pool_lock) = false;
};

} // namespace bulkhead::runtime
