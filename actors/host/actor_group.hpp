#pragma once

#include "actors/host/actor_process.hpp"

#include <bulkhead/actor_options.hpp>
#include <bulkhead/detail/onlooker.hpp>
#include <bulkhead/placement.hpp>
#include <bulkhead/pool_info.hpp>

#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

namespace bulkhead::actors {

/// How long the start of an actor may take.
inline std::chrono::nanoseconds start_patience_of(const actor_options& how) noexcept {
  return how.start_timeout.count() != 0 ? how.start_timeout : std::chrono::seconds{30};
}

/// The actor workers of one pool that host what pool::spawn starts. A worker begins with the first
/// actor that needs it; one that died is replaced by the next spawn. Thread-safe.
class actor_group final : public endable, public std::enable_shared_from_this<actor_group> {
public:
  actor_group(std::shared_ptr<actor_hub> hub, pool_options options);
  ~actor_group() override;

  /// Waits for the worker; one in which an actor keeps all others waiting is passed over. Throws
  /// what actor_process::spawn throws, pool_closed, and config_error where an option of the pool or
  /// of the actor cannot apply.
  caf::strong_actor_ptr spawn(const spawn_request& request, const placement& where,
                              const actor_options& how);

  /// The same without waiting: `done` runs once, with a handle or a failure, in a thread of the
  /// library, and does not block. A start that does not end in time is a failure, and its worker is
  /// killed. Throws config_error as spawn does.
  struct order {
    spawn_request request;
    placement where;
    actor_options how;
    supervised_by whom;
  };
  using spawn_handler = std::function<void(const caf::strong_actor_ptr&, const failure&)>;
  void spawn_later(order what, spawn_handler done);
  /// Throws config_error where such an actor cannot be started here at all.
  void check(const placement& where, const actor_options& how) const;

  /// Ended before the workers are.
  void add(const std::shared_ptr<endable>& user);

  std::vector<worker_info> workers() const;
  std::vector<actor_info> actors() const;
  /// As pool_attachment::take_turns.
  std::vector<detail::actor_turn> take_turns();

  /// Sends a signal (0: none) to the worker; its pid, 0 where it is gone or not of this group.
  pid_t signal(peer_id peer, int number);

  /// Kills the workers and waits until they are reaped, at most 2 s more.
  void end() noexcept override;

  /// How many workers were killed for breaking the wire protocol.
  std::uint64_t bad_messages() const noexcept { return bad_.load(std::memory_order_relaxed); }

private:
  using process_ptr = std::shared_ptr<actor_process>;
  /// Null where those that may take it were tried.
  process_ptr choose(const placement& where, const actor_options& how,
                     const std::vector<process_ptr>& tried);
  void begin(const std::shared_ptr<order>& what, const spawn_handler& done);
  void settle(const process_ptr& process, const caf::strong_actor_ptr& actor, const order& what);
  process_ptr start_one(const pool_options& options);
  void spawn_beside(const std::shared_ptr<std::atomic<std::size_t>>& living,
                    const std::string& behavior, const caf::message& args,
                    const name_desk::spawn_done& done);
  process_ptr start_own(const actor_options& how);
  std::vector<process_ptr> living() const;

  const std::shared_ptr<actor_hub> hub_;
  const pool_options options_;
  const std::size_t size_;
  const std::uint64_t owner_; ///< a forked copy of the host only closes
  mutable std::mutex mutex_;
  std::vector<process_ptr> shared_; ///< by slot; null: not started
  std::vector<process_ptr> own_;    ///< of single actors, and those that take no more
  std::vector<std::weak_ptr<endable>> users_;
  std::size_t started_ = 0;
  std::atomic<std::uint64_t> bad_ = 0;
  bool over_ = false;
};

} // namespace bulkhead::actors
