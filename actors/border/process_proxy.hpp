#pragma once

#include "actors/border/frames_out.hpp"
#include "actors/caf/proxy.hpp"

#include <atomic>

namespace bulkhead::actors {

/// Stands for an actor of another process. Writes frames in the sender's thread.
class process_proxy final : public proxy_base {
public:
  process_proxy(caf::actor_config& config, std::shared_ptr<frames_out> owner, actor_key key);
  ~process_proxy() override;

  void on_send(caf::strong_actor_ptr sender, caf::message_id mid, caf::message msg) override;
  void on_link(caf::abstract_actor* local, bool on) override;
  void on_observed() override;

  const actor_key& key() const noexcept { return key_; }
  /// Relaxed: a count, read by the last holder.
  void count() noexcept { counted_.fetch_add(1, std::memory_order_relaxed); }

private:
  const std::shared_ptr<frames_out> owner_;
  const actor_key key_;
  std::atomic<std::uint64_t> counted_ = 0; ///< mentions by the peer, given back at the end
};

} // namespace bulkhead::actors
