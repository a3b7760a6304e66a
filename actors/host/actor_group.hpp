#pragma once

#include "actors/host/actor_process.hpp"

#include <bulkhead/placement.hpp>

#include <atomic>
#include <memory>
#include <mutex>
#include <vector>

namespace bulkhead::actors {

/// The actor workers of one pool that host what pool::spawn starts. A worker begins with the first
/// actor that needs it; one that died is replaced by the next spawn. Thread-safe.
class actor_group final : public endable, public std::enable_shared_from_this<actor_group> {
public:
  actor_group(std::shared_ptr<actor_hub> hub, pool_options options);
  ~actor_group() override;

  /// Waits for the worker. Throws what actor_process::spawn throws, and pool_closed.
  caf::strong_actor_ptr spawn(const spawn_request& request, const placement& where);

  /// Sends a signal (0: none) to the worker; its pid, 0 where it is gone or not of this group.
  pid_t signal(peer_id peer, int number);

  /// Kills the workers and waits until they are reaped, at most 2 s more.
  void end() noexcept override;

  /// How many workers were killed for breaking the wire protocol.
  std::uint64_t bad_messages() const noexcept { return bad_.load(std::memory_order_relaxed); }

private:
  using process_ptr = std::shared_ptr<actor_process>;
  process_ptr choose(const placement& where);
  process_ptr start_one();

  const std::shared_ptr<actor_hub> hub_;
  const pool_options options_;
  const std::size_t size_;
  const std::uint64_t owner_; ///< a forked copy of the host only closes
  std::mutex mutex_;
  std::vector<process_ptr> shared_; ///< by slot; null: not started
  std::vector<process_ptr> own_;    ///< of single actors
  std::size_t started_ = 0;
  std::atomic<std::uint64_t> bad_ = 0;
  bool over_ = false;
};

} // namespace bulkhead::actors
