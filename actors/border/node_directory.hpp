#pragma once

#include "actors/border/handle_scan.hpp"
#include "actors/border/process_end.hpp"
#include "actors/caf/codec.hpp"

#include <caf/node_id.hpp>

#include <atomic>
#include <cstddef>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <unordered_map>

namespace bulkhead::actors {

/// The processes that this one has heard of: which number has which node id, and whether it has
/// died. Invariants: a number and a node id belong to one process each; a dead process is kept
/// exactly as long as there are proxies of its actors. A plain value; the border locks, except for
/// may_hold_handles.
class node_directory {
public:
  struct node {
    caf::node_id id;
    bool dead = false;
    process_end end;
    std::size_t proxies = 0; ///< of its actors, here
  };

  /// `bytes`: the id as CAF encodes it. False: the number or the id is known already.
  bool add(peer_id peer, const caf::node_id& id, byte_buf bytes);
  /// Null where unknown; valid until the process is forgotten.
  node* find(peer_id peer);
  std::optional<peer_id> find(const caf::node_id& id) const;
  void die(peer_id peer, const process_end& end);
  /// One proxy more or less; the process is known.
  void count_proxy(peer_id peer, bool more);
  /// Takes out a process that is dead and has no proxies. The result, which may hold handles in its
  /// reason, is to be destroyed without locks.
  node forget_if_unknown(peer_id peer);

  const std::shared_ptr<const handle_scan>& scan() const noexcept { return scan_; }
  /// Whether so many bytes can have a handle in them; without the lock.
  bool may_hold_handles(std::size_t bytes) const noexcept {
    // A node id is told before it is used, by frames that the same reader takes in order: relaxed.
    return bytes >= shortest_handle_.load(std::memory_order_relaxed);
  }
  std::size_t size() const noexcept { return nodes_.size(); }

private:
  std::map<peer_id, node> nodes_;
  std::unordered_map<caf::node_id, peer_id> peers_;
  std::shared_ptr<const handle_scan> scan_ = std::make_shared<handle_scan>();
  std::atomic<std::size_t> shortest_handle_ = 0;
};

} // namespace bulkhead::actors
