#pragma once

#include <bulkhead/detail/future_base.hpp>
#include <bulkhead/detail/future_core.hpp>
#include <bulkhead/detail/onlooker.hpp>
#include <bulkhead/isolation.hpp>
#include <bulkhead/pool_info.hpp>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

namespace bulkhead::detail {

/// What to do when the backlog is full.
enum class admission : std::uint8_t {
  policy,   ///< as pool_options::on_full says
  try_only, ///< give up
  wait,     ///< wait, whatever the policy: the feeders of map and its kin
};

/// The actor side of a pool: ends when the pool does.
class pool_attachment {
public:
  virtual ~pool_attachment() = default;
  /// Bounded; called after the pool's own workers have ended.
  virtual void end() noexcept = 0;
  /// Actor workers killed for breaking the wire protocol.
  virtual std::uint64_t bad_messages() const noexcept = 0;
  /// Plain messages that did not arrive, in the actor system of the pool.
  virtual std::uint64_t dead_letters() const noexcept = 0;
  virtual std::vector<worker_info> workers() const = 0;
  virtual std::vector<actor_info> actors() const = 0;
  /// The messages that were handled since the call before, of each worker the last 2048. The first
  /// call has the workers note them from then on.
  virtual std::vector<actor_turn> take_turns() = 0;
};

/// The pool behind the facade, untyped. All calls are thread-safe.
class pool_core : public future_core, public std::enable_shared_from_this<pool_core> {
public:
  /// Takes a unit of work, or returns false where the backlog was full until work::room_until, or
  /// under admission::try_only: `w` is as it was then. Throws pool_closed, pool_broken, too_large,
  /// and queue_full as on_full says.
  virtual bool submit(work&& w, admission how) = 0;

  /// Withdraws every queued or unclaimed item of this sink: they end as cancelled. True where no
  /// item of it had an outcome before and none is left that may run.
  virtual bool cancel_all(const task_sink& sink, bool kill_running = false) = 0;

  /// Withdraws what has not begun, whosever it is.
  virtual void cancel_pending() = 0;

  /// How many items of a map the next unit should hold; `remaining` 0 means unknown.
  virtual std::size_t chunk_hint(const task_sink& sink, std::size_t remaining) = 0;

  /// It takes tasks: not closed, terminated or broken.
  virtual bool is_open() = 0;
  virtual void close() = 0;
  virtual bool join(time_point deadline) = 0;
  virtual void terminate() noexcept = 0;
  virtual void resize(std::size_t workers) = 0;

  virtual std::vector<worker_info> workers() = 0;
  virtual pool_stats stats() = 0;
  virtual std::vector<isolation_feature> isolation() = 0;
  virtual int completion_fd() = 0;
  virtual std::vector<std::uint64_t> completions() = 0;
  virtual int room_fd() = 0;
  virtual std::string last_output(std::size_t worker) = 0;
  virtual std::vector<task_growth> growth() = 0;
  virtual const pool_options& options() const noexcept = 0;

  /// Ids of the workers that a broadcast reaches now.
  virtual std::vector<std::size_t> worker_ids() = 0;

  /// Who is told of all that happens from now on, in the place of the one before. Throws
  /// config_error where tasks run in the caller.
  virtual void look_on(std::shared_ptr<onlooker> who) = 0;
  /// Ends that, where it is still this one.
  virtual void look_away(const onlooker& who) noexcept = 0;
  /// Whether the onlooker hears of outcomes that are taken, which costs each task a lock.
  virtual void tell_takes(bool on) noexcept = 0;
  /// Of workers of tasks.
  virtual std::vector<running_task> running_tasks() = 0;
  /// Tells the onlooker of an event among the actor workers.
  virtual void tell_onlooker(const pool_event& event) noexcept = 0;

  /// Null while the pool has no actors.
  std::mutex attachment_mutex;
  std::shared_ptr<pool_attachment> attachment;
  std::shared_ptr<pool_attachment> attached() noexcept {
    const std::lock_guard lock{attachment_mutex};
    return attachment;
  }
};

/// The options as they are, or config_error for a time below zero, or for a `retry` that has no
/// effect or contradicts itself.
task_options checked(task_options options, const pool_options& pool);

/// Makes the pool and starts its workers. Throws config_error (nothing was started) and
/// std::system_error.
std::shared_ptr<pool_core> make_pool_core(pool_options options);

} // namespace bulkhead::detail
