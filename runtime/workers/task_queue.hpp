#pragma once

#include "runtime/outcome/gathered.hpp"
#include "runtime/system/unique_fd.hpp"
#include "runtime/workers/outcomes.hpp"
#include "runtime/workers/pool_state.hpp"

#include <atomic>
#include <map>
#include <memory>
#include <set>
#include <utility>

namespace bulkhead::runtime {

/// The tasks that wait: for a worker, or for their next attempt. Keeps their deadlines and the
/// numbers of those that only one worker may run.
class task_queue {
public:
  task_queue(pool_state& pool, outcomes& ends);

  /// The unit of a piece of work; throws too_large where it may never be sent.
  std::unique_ptr<unit> make_unit(detail::work&& w) const;
  /// Where a task like this waits and more may follow it, this one goes along: true, and it is
  /// counted and placed. Throws std::bad_alloc before anything has changed.
  bool gather(detail::work& w) BULKHEAD_REQUIRES(pool_lock);
  /// A hint, without the lock: gather() may take something.
  bool may_gather_now() const noexcept { return open() != nullptr; }
  /// Tasks that come may still join it.
  bool may_grow(const unit& u) const noexcept BULKHEAD_REQUIRES(pool_lock) {
    return &u == open() && u.items < pool_.gather.most(what_calls(u));
  }

  /// A unit that was in the queue before finds the list of its priority there; a new one needs
  /// backlog::make_room.
  void enqueue(std::unique_ptr<unit> u, bool in_front) noexcept BULKHEAD_REQUIRES(pool_lock);
  std::unique_ptr<unit> take(unit& u) noexcept BULKHEAD_REQUIRES(pool_lock);
  /// Enters the queue at that time. Throws std::bad_alloc, and then `u` is as it was.
  void delay(std::unique_ptr<unit>& u, time_point until) BULKHEAD_REQUIRES(pool_lock);

  bool gathers_more() const noexcept BULKHEAD_REQUIRES(pool_lock) {
    return open() != nullptr && may_grow(*open());
  }

  /// Ends one that waits for a worker.
  void fail(unit& u, const failure& f) noexcept BULKHEAD_REQUIRES(pool_lock);
  /// Ends it as cancelled; it is here.
  void cancel(unit& u) noexcept BULKHEAD_REQUIRES(pool_lock);
  /// The same for one of its items. Throws std::bad_alloc; the item is still here then.
  void cancel(unit& u, std::uint32_t item) BULKHEAD_REQUIRES(pool_lock);
  /// The same for all of a sink. Throws std::bad_alloc before anything has changed.
  void cancel_all(const detail::task_sink& sink) BULKHEAD_REQUIRES(pool_lock);
  void fail_everything(const failure& f) noexcept BULKHEAD_REQUIRES(pool_lock);
  /// What only this worker may run, and it never will.
  void fail_pinned(std::size_t worker) noexcept BULKHEAD_REQUIRES(pool_lock);

  /// Polls readable while one more task has room, or would be refused at once.
  int room_fd() BULKHEAD_REQUIRES(pool_lock);

  /// What waits for its next attempt until now, and what has waited beyond its deadline.
  void tick(time_point now) noexcept BULKHEAD_REQUIRES(pool_lock);

private:
  bool gathers(const detail::work& w) const noexcept;
  unit* open() const noexcept { return open_.load(std::memory_order_relaxed); } // see open_
  void close(const unit& u) noexcept BULKHEAD_REQUIRES(pool_lock) {
    if (&u == open())
      open_.store(nullptr, std::memory_order_relaxed); // see open_
  }
  unit& cut(unit& u, std::uint32_t first) BULKHEAD_REQUIRES(pool_lock);
  bool is_like(const unit& u, const detail::work& w) const noexcept BULKHEAD_REQUIRES(pool_lock);
  static void add_sink(unit& u, std::shared_ptr<detail::task_sink> sink);
  void release_delayed(time_point now) noexcept BULKHEAD_REQUIRES(pool_lock);
  void tell_room() noexcept BULKHEAD_REQUIRES(pool_lock);
  void expire(time_point now) noexcept BULKHEAD_REQUIRES(pool_lock);

  pool_state& pool_;
  outcomes& ends_;
  const bool may_gather_; ///< as far as the pool's options go
  /// Came last, waits, and gathers; or null. Changed and followed under the lock, which orders it;
  /// who looks without it only asks whether it pays to take the lock.
  std::atomic<unit*> open_{nullptr};
  unique_fd room_fd_ BULKHEAD_GUARDED_BY(pool_lock); ///< none: nobody asked
  bool room_told_ BULKHEAD_GUARDED_BY(pool_lock) = false;
  /// Retries in their back-off.
  std::multimap<time_point, std::unique_ptr<unit>> delayed_ BULKHEAD_GUARDED_BY(pool_lock);
  /// Of the units in the queue.
  std::set<std::pair<time_point, unit*>> deadlines_ BULKHEAD_GUARDED_BY(pool_lock);
};

} // namespace bulkhead::runtime
