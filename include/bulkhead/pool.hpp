#pragma once

#include <bulkhead/isolation.hpp>
#include <bulkhead/options.hpp>
#include <bulkhead/pool_calls.hpp>
#include <bulkhead/pool_info.hpp>
#include <bulkhead/wait.hpp>

#include <caf/fwd.hpp>

#include <concepts>
#include <cstddef>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace bulkhead {

struct actor_options;
class actor_view;

/// A pool seen through task options; made by pool::with, valid as long as the pool.
class pool_view : public pool_calls<pool_view> {
public:
  pool_view(std::shared_ptr<detail::pool_core> core, task_options options)
    : core_(std::move(core)), options_(std::make_shared<const task_options>(std::move(options))) {}

private:
  friend pool_calls<pool_view>;
  const std::shared_ptr<detail::pool_core>& shared_core() const noexcept { return core_; }
  const std::shared_ptr<const task_options>& shared_options() const noexcept { return options_; }

  std::shared_ptr<detail::pool_core> core_;
  std::shared_ptr<const task_options> options_;
};

/// Worker processes and the tasks that run in them. Move-only. All calls are thread-safe, except
/// that nothing may run beside move and destruction.
class pool : public pool_calls<pool> {
public:
  /// Returns when all worker processes exist. Throws config_error where an option is out of range
  /// or `init` was not called, std::system_error where the system refuses.
  explicit pool(pool_options options = {});

  /// The same inside a user's CAF system (libbulkhead_actors).
  pool(caf::actor_system& system, pool_options options);

  pool(pool&&) noexcept = default;
  pool& operator=(pool&& other) noexcept;

  /// As terminate().
  ~pool();

  /// Ends all workers at once: queued and running tasks end as `cancelled`. Bounded: returns when
  /// all workers are reaped, or 2 s after SIGKILL where one cannot die. Then waits for callbacks
  /// that run or are queued, without bound, so that what they refer to may end afterwards; called
  /// within a callback it does not wait.
  void terminate() noexcept;

  /// No more tasks; pending ones finish.
  void close();

  /// After close(): waits until all tasks and workers have ended. Throws config_error before it.
  void join();
  template <class Rep, class Period>
  bool join(std::chrono::duration<Rep, Period> timeout) {
    return core_->join(detail::deadline_after(detail::to_nanoseconds(timeout)));
  }

  /// close(), and as the options say join(), and the end of what has not begun. Without `wait` what
  /// runs goes on, until the destructor or terminate() ends it.
  void shutdown(shutdown_options options = {});

  /// A view with all calls under these task options. Throws config_error for a time below zero, and
  /// for a `retry` that has no effect or contradicts itself.
  pool_view with(task_options options) const {
    return {core_, detail::checked(std::move(options), core_->options())};
  }

  /// A view whose spawn() starts actors under these options; defined in <bulkhead/actor.hpp>.
  /// Throws config_error for a time below zero. (A template, so that with({...}) means
  /// task_options.)
  template <std::same_as<actor_options> Options>
  actor_view with(Options options) const;

  /// Sets the number of workers, 1 or more. Surplus workers finish their task first. Throws
  /// std::system_error where the system refuses one; the pool then goes on with those that it has.
  void resize(std::size_t workers);

  /// Workers of tasks first, then those of actors.
  std::vector<worker_info> workers() const;
  /// The actors in the pool's workers.
  std::vector<actor_info> actors() const;
  pool_stats stats() const;

  /// The last lines that a worker of tasks has printed (output_mode::prefix, capture) or logged, up
  /// to 16 KiB, while it lives; empty where there is no such worker.
  std::string last_output(std::size_t worker) const;

  /// By function, with pool_options::measure_growth: what grows with its calls is what it leaks.
  /// The largest memory first. Throws config_error without that option.
  std::vector<task_growth> growth() const;

  /// What isolation was asked for, is active, and why not.
  std::vector<isolation_feature> isolation() const;

  /// A descriptor, owned by the pool, that polls readable while completions() has something. From
  /// the first call on the pool remembers the ids of tasks that ended, see future::id().
  int completion_fd() const;
  /// A descriptor, owned by the pool, that polls readable while the backlog has room for one more
  /// task; of a pool that has ended, always. For loops that may not wait in submit: see try_submit.
  int room_fd() const;
  std::vector<std::uint64_t> completions() const;

  /// An actor hosted in an actor worker; defined in <bulkhead/actor.hpp>. `behavior` is what CAF's
  /// spawn takes.
  template <class Behavior, class... Args>
  caf::actor spawn(Behavior behavior, Args&&... args);

  /// An actor class hosted in an actor worker; defined in <bulkhead/actor.hpp>.
  template <class Class, class... Args>
  caf::actor spawn(Args&&... args);

  /// The pool actor: takes (task name, arguments...) and answers with the result or an error.
  caf::actor actor();

  /// For the actor side and for tools.
  const std::shared_ptr<detail::pool_core>& core() const noexcept { return core_; }

private:
  friend pool_calls<pool>;
  const std::shared_ptr<detail::pool_core>& shared_core() const noexcept { return core_; }
  std::shared_ptr<const task_options> shared_options() const noexcept { return nullptr; }

  std::shared_ptr<detail::pool_core> core_;
};

/// The process's own pool with default options, for code that is handed none: made by the first
/// call, and made anew where the last one was closed, terminated or is broken. It is never
/// destroyed: its workers end by terminate() or with the process. Thread-safe; each process,
/// workers included, has its own.
pool& default_pool();

} // namespace bulkhead
