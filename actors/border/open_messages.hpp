#pragma once

#include <caf/actor_control_block.hpp>

#include <cstdint>
#include <memory>
#include <mutex>
#include <set>
#include <unordered_map>

namespace bulkhead::actors {

/// Of a worker's actors that get numbered messages: which of them they have and are not done with.
/// The numbers of one actor come in ascending order. Thread-safe.
class open_messages : public std::enable_shared_from_this<open_messages> {
public:
  /// It came; it is done when the token goes.
  std::shared_ptr<void> came(caf::actor_id whom, std::uint64_t number);
  /// All messages of the actor up to this one are done, or in hand; 0: none. `in_hand`: the one
  /// that it works at, 0 for none.
  std::uint64_t done_up_to(caf::actor_id whom, std::uint64_t in_hand) const;
  /// Whether the actor had any.
  bool knows(caf::actor_id whom) const;
  /// The actor has ended.
  void forget(caf::actor_id whom);

private:
  struct entry {
    std::uint64_t last = 0;
    std::set<std::uint64_t> open;
  };
  void done(caf::actor_id whom, std::uint64_t number);

  mutable std::mutex mutex_; ///< guards what follows
  std::unordered_map<caf::actor_id, entry> actors_;
};

} // namespace bulkhead::actors
