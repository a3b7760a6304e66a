#pragma once

#include "runtime/workers/answers.hpp"
#include "runtime/workers/launcher.hpp"
#include "runtime/workers/leadership.hpp"
#include "runtime/workers/news.hpp"
#include "runtime/workers/pool_state.hpp"

#include <chrono>
#include <cstdint>
#include <memory>

namespace bulkhead::runtime {

/// The workers of a pool: their launch, their end, and who replaces them.
class workforce {
public:
  workforce(pool_state& pool, outcomes& ends, task_queue& queue, attempts& again,
            dispatcher& sender, answers& heard, leadership& leads, news& told);

  /// All of them. Throws std::system_error where the system refuses one.
  void start() BULKHEAD_EXCLUDES(pool_lock);
  /// Those that are missing now; the same errors.
  void start_missing() BULKHEAD_EXCLUDES(pool_lock);
  /// Other than `workers`: lets go of the surplus, idle ones first. start_missing follows.
  void resize(std::size_t workers) BULKHEAD_REQUIRES(pool_lock);
  /// As many more as the work asks for, within the pool's bounds; launched by other threads.
  void grow() noexcept BULKHEAD_REQUIRES(pool_lock);
  /// Lets those go that had nothing to do, when it is time to.
  void shrink(time_point now) BULKHEAD_REQUIRES(pool_lock);
  /// All end when they are idle.
  void let_all_go() BULKHEAD_REQUIRES(pool_lock);
  /// All end now. finish() follows.
  void kill_all() noexcept BULKHEAD_REQUIRES(pool_lock);
  /// No launch is under way any more, nor begins.
  void stop_launches() noexcept BULKHEAD_EXCLUDES(pool_lock) { launches_->stop(); }
  /// True when no worker is left. Gives up those that cannot die where it does not wait for ever.
  bool wait_until_gone(pool_guard& lock, time_point deadline) BULKHEAD_REQUIRES(pool_lock);
  void give_up_all() BULKHEAD_REQUIRES(pool_lock);

  /// A worker that cannot be killed: its tasks have their outcome, and the pool goes on without it.
  void give_up(worker_slot& slot, const exit_status& status, bool explained) noexcept
    BULKHEAD_REQUIRES(pool_lock);
  /// Replacements for which there was no memory.
  void pay_debts() noexcept BULKHEAD_REQUIRES(pool_lock);
  /// A task's further attempts are cancelled while its outcome is being prepared.
  bool cancel_attempts(const detail::task_sink& sink) noexcept BULKHEAD_REQUIRES(pool_lock);

  /// In a forked copy of the process its thread does not exist.
  void forget_thread() noexcept { static_cast<void>(launches_.release()); }

private:
  // workforce.cpp: launches
  void start_worker();
  void admit(const slot_ptr& slot);
  void keep_size() noexcept BULKHEAD_REQUIRES(pool_lock);
  void want_worker(std::chrono::nanoseconds after) noexcept BULKHEAD_REQUIRES(pool_lock);
  void launch_due();
  void start_due();
  void start_refused(const char* why) noexcept;
  failure refused_failure(const char* why) const noexcept BULKHEAD_REQUIRES(pool_lock);
  restart_intensity::verdict count_death(bool was_ready) noexcept BULKHEAD_REQUIRES(pool_lock);
  void break_pool(failure why) noexcept BULKHEAD_REQUIRES(pool_lock);

  // deaths.cpp
  void on_exit(const slot_ptr& slot, const child_exit& exit) noexcept;
  void examine(const slot_ptr& slot, const child_exit& exit) noexcept;
  static exit_cause cause_of(const worker_slot& slot, const child_exit& exit) noexcept;
  bool bury(worker_slot& slot) noexcept BULKHEAD_REQUIRES(pool_lock);
  void take_all(worker_slot& slot, unit_list& into) noexcept BULKHEAD_REQUIRES(pool_lock);
  bool ends_unbegun(const worker_slot& slot, unit_list& back) noexcept BULKHEAD_REQUIRES(pool_lock);
  void await_outcome(const worker_slot& slot, std::unique_ptr<unit> work,
                     std::uint32_t item) noexcept BULKHEAD_REQUIRES(pool_lock);
  unit* casualty_of(const worker_slot& slot) const noexcept BULKHEAD_REQUIRES(pool_lock);
  void replace(worker_slot& slot, const exit_status& status, bool explained) noexcept
    BULKHEAD_REQUIRES(pool_lock);
  failure broken_failure(const worker_slot& slot, const exit_status& status) const noexcept
    BULKHEAD_REQUIRES(pool_lock);
  void end_casualty(std::unique_ptr<unit> work, const worker_slot& slot, const failure& f) noexcept
    BULKHEAD_REQUIRES(pool_lock);
  failure poisoned(const unit& u, const failure& f) const noexcept;
  void abandon(worker_slot& slot) noexcept BULKHEAD_REQUIRES(pool_lock);
  void remove(const slot_ptr& slot) noexcept BULKHEAD_REQUIRES(pool_lock);

  pool_state& pool_;
  outcomes& ends_;
  task_queue& queue_;
  attempts& attempts_;
  dispatcher& sender_;
  answers& answers_;
  leadership& leadership_;
  news& news_;
  launcher launcher_;
  std::unique_ptr<callback_thread> launches_; ///< of replacements: a launch may take seconds
  std::uint64_t next_worker_ BULKHEAD_GUARDED_BY(pool_lock) = 1;
  /// Of dead workers, while their outcome is being prepared.
  unit_list ending_ BULKHEAD_GUARDED_BY(pool_lock);
  /// Of the machine, before the pool or put down to its workers.
  std::uint64_t oom_kills_ BULKHEAD_GUARDED_BY(pool_lock) = 0;
  std::mt19937_64 random_ BULKHEAD_GUARDED_BY(pool_lock);
};

} // namespace bulkhead::runtime
