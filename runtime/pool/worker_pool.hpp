#pragma once

#include "runtime/dispatch/backlog.hpp"
#include "runtime/dispatch/restart_intensity.hpp"
#include "runtime/forkserver/launch.hpp"
#include "runtime/pool/worker_slot.hpp"
#include "runtime/system/spin.hpp"
#include "runtime/this_process/callback_thread.hpp"
#include "runtime/this_process/reactor.hpp"
#include "runtime/worker/worker_config.hpp"

#include <bulkhead/detail/pool_core.hpp>

#include <condition_variable>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <random>
#include <set>
#include <span>
#include <string_view>
#include <vector>

namespace bulkhead::runtime {

/// The pool of worker processes or threads: the ledger, the dispatcher and their I/O. One lock
/// guards all; user code never runs under it. Threads that come here: callers, the runtime thread
/// (deaths, timers, answers while nobody waits), the callback thread (as a caller).
class worker_pool final : public detail::pool_core {
public:
  explicit worker_pool(pool_options options);
  ~worker_pool() override;

  /// Makes the workers. Separate from the constructor because workers refer to the shared pool.
  void start();

  bool submit(detail::work&& w, detail::admission how) override;
  bool wait(detail::event_latch& latch, time_point deadline) override;
  bool cancel(detail::future_base& f, bool kill_running) override;
  bool cancel_all(const detail::task_sink& sink, bool kill_running) override;
  void call_back(std::function<void()> f) override;
  void expect_callbacks() override;
  void call_back_locked(std::list<std::function<void()>>&& calls) noexcept override;
  std::size_t chunk_hint(const detail::task_sink& sink, std::size_t remaining) override;

  void close() override;
  bool join(time_point deadline) override;
  void terminate() noexcept override;
  void resize(std::size_t workers) override;

  std::vector<worker_info> workers() override;
  pool_stats stats() override;
  std::vector<isolation_feature> isolation() override;
  int completion_fd() override;
  std::vector<std::uint64_t> completions() override;
  const pool_options& options() const noexcept override { return options_; }
  std::vector<std::size_t> worker_ids() override;

private:
  using lock_type = std::unique_lock<std::mutex>;
  using slot_ptr = std::shared_ptr<worker_slot>;

  // worker_pool.cpp: life
  void start_worker();
  slot_ptr make_slot();
  worker_config config_for(const worker_slot& slot) const;
  void launch_process(const slot_ptr& slot);
  void launch_thread(const slot_ptr& slot);
  void admit(const slot_ptr& slot);
  void want_worker(std::chrono::nanoseconds after) noexcept;
  void start_due();
  void keep_size();
  std::size_t serving() const noexcept;
  std::size_t missing_workers() const noexcept;
  void take_back_surplus() noexcept;
  void stop_idle_workers();
  void kill(worker_slot& slot, exit_cause why) noexcept;
  void break_pool(failure why);
  void fail_everything_queued(const failure& f);
  bool wait_for_workers_gone(lock_type& lock, time_point deadline);
  void start_refused(const char* why);
  void tell_broken(const std::string& text) noexcept;
  void tell(event_kind kind, const worker_slot& slot, const exit_status& exit,
            std::string_view text) noexcept;

  // worker_pool_submit.cpp
  void check_open() const;
  std::unique_ptr<unit> make_unit(detail::work&& w) const;
  bool wait_for_room(lock_type& lock, const unit& u, detail::admission how);
  void fail_pinned(std::size_t worker) noexcept;
  void fail_pinned(worker_slot& slot) noexcept;
  void enqueue(std::unique_ptr<unit> u, bool in_front) noexcept;
  std::unique_ptr<unit> take_queued(unit& u);
  void cancel_queued(unit& u);
  void request_kill(unit& u);

  // worker_pool_dispatch.cpp
  void pump() noexcept;
  bool pump_one();
  bool send_to(worker_slot& slot, std::unique_ptr<unit>& u);
  worker_slot* choose(const unit& u);
  worker_slot* key_owner(const std::string& key);
  bool has_room(const worker_slot& slot, const unit& u) const noexcept;
  bool is_used_up(const worker_slot& slot) const noexcept;
  bool cut_to_fit(unit& u, std::size_t items) noexcept;
  worker_slot* find_slot(std::size_t id) noexcept;
  std::chrono::nanoseconds limit_of(const unit& u) const noexcept;
  std::chrono::nanoseconds soft_limit_of(const unit& u) const noexcept;
  std::size_t retries_of(const unit& u) const noexcept;

  // worker_pool_answers.cpp
  void serve();
  bool drain_all();
  bool drain_slot(worker_slot& slot);
  bool take_answer(worker_slot& slot, const answer& a);
  bool take_result(worker_slot& slot, const answer& a);
  bool take_part(worker_slot& slot, const answer& a);
  void keep_part(worker_slot& slot, std::span<const std::byte> part, std::size_t whole) noexcept;
  void take_parts(worker_slot& slot, unit& u, std::uint32_t item) noexcept;
  bool take_unfit(worker_slot& slot, const answer& a);
  bool take_returned(worker_slot& slot, const answer& a);
  void item_ended(worker_slot& slot, const flight::answered& item, std::uint64_t ran_ns);
  void give_back(std::vector<std::unique_ptr<unit>>& units);
  static std::vector<std::unique_ptr<unit>> room_for_returned(worker_slot& slot);
  std::unique_ptr<unit> detach(worker_slot& slot, unit& work, std::uint32_t first,
                               bool whole) noexcept;
  std::unique_ptr<unit> split_or_fail(unit& work, std::uint32_t first) noexcept;
  void recall(worker_slot& slot, position from);
  void recall_if_possible(worker_slot& slot, position from) noexcept;
  void arm_all();
  bool arm(worker_slot& slot);
  void succeed(const unit& u, std::uint32_t item) noexcept;
  void fail(unit& u, std::uint32_t item, failure f) noexcept;
  void fail_all(std::unique_ptr<unit> u, const failure& f) noexcept;
  void note_completion(std::uint64_t id) noexcept;

  // worker_pool_death.cpp
  void on_exit(const slot_ptr& slot, const child_exit& exit);
  static exit_cause cause_of(const worker_slot& slot, const child_exit& exit) noexcept;
  struct casualty {
    std::unique_ptr<unit> work;
    std::uint32_t item = 0;
  };
  std::optional<casualty> bury(worker_slot& slot, std::vector<casualty>& doubtful);
  void replace(worker_slot& slot, const exit_status& status, bool explained);
  void end_casualty(casualty c, const worker_slot& slot, const failure& f);
  bool retry(casualty& c, const failure& f);
  void bad_message(worker_slot& slot);
  void abandon(const slot_ptr& slot);
  failure death_failure(const worker_slot& slot, const exit_status& status) const noexcept;
  void describe_death(failure& f, const worker_slot& slot) const;
  void remove_slot(const slot_ptr& slot);

  // worker_pool_limits.cpp
  void tick(std::uint64_t number);
  void check_all(time_point now);
  void check_slot(worker_slot& slot, time_point now);
  void check_task(worker_slot& slot, time_point now);
  void time_out(worker_slot& slot);
  bool strike(worker_slot& slot, exit_cause why);
  void check_heartbeat(worker_slot& slot, time_point now);
  void check_worker(worker_slot& slot, time_point now);
  void retire(worker_slot& slot);
  void check_memory(worker_slot& slot, time_point now);
  void note_inherited(worker_slot& slot, std::uint64_t bytes) noexcept;
  void check_grace(worker_slot& slot, time_point now);
  void check_stuck(worker_slot& slot, time_point now);
  void release_delayed(time_point now);
  void expire_deadlines(time_point now);
  void expire_sent(time_point now);
  void expire_sent(worker_slot& slot, time_point now);
  static constexpr std::chrono::milliseconds look_again_after{10}; ///< where there was no memory
  void need_tick(time_point at) noexcept;
  void pay_debts() noexcept;
  void plan_ticks(worker_slot& slot);
  void plan_for_idle();
  static std::size_t may_move_on(const worker_slot& slot) noexcept;

  // worker_pool_wait.cpp
  bool lead(lock_type& lock, const std::function<bool()>& done, const detail::event_latch* target,
            time_point deadline);
  class leadership;
  void begin_lead();
  void end_lead(lock_type& lock);
  void spin_unlocked(lock_type& lock, const detail::event_latch* target);
  void sleep_unlocked(lock_type& lock, time_point deadline);
  void wake_leader() noexcept;
  void kick() noexcept;
  void clear_events() noexcept;
  void wake_room_waiters();

  pool_options options_;
  const std::size_t parallelism_;
  std::shared_ptr<reactor> reactor_;
  std::shared_ptr<forkserver> server_; ///< start_method::fork only
  unique_fd events_;                   ///< epoll of the workers' eventfds and kick_
  unique_fd kick_;                     ///< wakes a sleeping leader
  std::uint64_t watch_ = 0;            ///< of events_ in the reactor
  std::uint64_t owner_;                ///< own_process::identity when made
  std::unique_ptr<callback_thread> callbacks_;

  std::mutex mutex_;
  backlog backlog_;
  std::vector<slot_ptr> slots_;
  std::vector<slot_ptr> retired_; ///< kept while a spinning leader may look at their words
  std::vector<unit*> ending_;     ///< of dead workers, while their outcome is being prepared
  std::map<std::size_t, child_exit> early_exits_;
  std::multimap<time_point, std::unique_ptr<unit>> delayed_; ///< retries in back-off
  std::set<std::pair<time_point, unit*>> deadlines_;         ///< of queued units
  time_point sent_deadline_ = time_point::max(); ///< the next one of a unit that was sent
  std::size_t target_ = 0;
  std::size_t wanted_ = 0; ///< replacements on their way
  std::size_t due_ = 0;    ///< of these, those without a back-off
  std::size_t next_worker_ = 1;
  std::uint64_t next_task_ = 1;
  std::size_t next_slot_ = 0; ///< round robin
  std::mt19937_64 random_;
  restart_intensity intensity_;
  pool_stats stats_;
  std::uint64_t in_flight_ = 0;
  bool closed_ = false;
  bool terminated_ = false;
  bool over_ = false; ///< terminate has ended: no more timers
  std::optional<failure> broken_;
  std::condition_variable changed_; ///< room, idleness, worker gone
  std::size_t room_waiters_ = 0;

  bool leader_ = false;
  bool leader_asleep_ = false;
  bool watch_off_ = false;
  const detail::event_latch* leader_target_ = nullptr;
  std::vector<const channel*> leader_channels_;
  std::uint64_t slots_version_ = 1;
  std::uint64_t leader_version_ = 0;
  spinner leader_spin_;

  std::uint64_t timer_ = 0;
  time_point timer_at_ = time_point::max();
  /// What lacked memory and is tried again in the next turn.
  time_point owed_tick_ = time_point::max();
  std::size_t owed_workers_ = 0;
  std::uint64_t tick_number_ = 0; ///< of the timer that counts; an overtaken one does nothing
  unique_fd completion_fd_;
  std::vector<std::uint64_t> completed_;
  bool collect_completions_ = false;
};

} // namespace bulkhead::runtime
