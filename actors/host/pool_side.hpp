#pragma once

#include "actors/caf/worker_system.hpp"
#include "actors/host/actor_group.hpp"

#include <bulkhead/detail/pool_core.hpp>

#include <caf/actor.hpp>

#include <memory>
#include <mutex>

namespace bulkhead::actors {

/// The actor side of a task pool: its system where it has none of the user's, its actor workers,
/// its pool actor. Hangs on the pool core. Thread-safe.
class pool_side final : public detail::pool_attachment {
public:
  /// The side of a pool, made at the first call; in a private system unless attach() came first.
  static std::shared_ptr<pool_side> of(const std::shared_ptr<detail::pool_core>& core);
  static void attach(const std::shared_ptr<detail::pool_core>& core, caf::actor_system& system);

  ~pool_side() override;

  actor_group& group() noexcept { return *group_; }
  const std::shared_ptr<actor_group>& shared_group() const noexcept { return group_; }
  const std::shared_ptr<actor_hub>& hub() const noexcept { return hub_; }
  caf::actor pool_actor(const std::shared_ptr<detail::pool_core>& core);
  void end() noexcept override;
  std::uint64_t bad_messages() const noexcept override { return group_->bad_messages(); }
  std::uint64_t dead_letters() const noexcept override { return hub_->edge().letters.count(); }
  std::vector<worker_info> workers() const override { return group_->workers(); }
  std::vector<actor_info> actors() const override { return group_->actors(); }
  std::vector<detail::actor_turn> take_turns() override { return group_->take_turns(); }

private:
  pool_side(const std::shared_ptr<detail::pool_core>& core, caf::actor_system* system);

  const std::uint64_t owner_;
  struct private_system;
  std::unique_ptr<private_system> own_;
  std::shared_ptr<actor_hub> hub_;
  std::shared_ptr<actor_group> group_;
  std::mutex mutex_;
  caf::actor pool_actor_;
  bool over_ = false;
};

} // namespace bulkhead::actors
