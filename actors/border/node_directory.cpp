#include "actors/border/node_directory.hpp"

#include <utility>

namespace bulkhead::actors {

bool node_directory::add(peer_id peer, const caf::node_id& id, byte_buf bytes) {
  if (nodes_.contains(peer) || !peers_.emplace(id, peer).second)
    return false;
  nodes_[peer].id = id;
  // A copy: threads that search messages hold the old one and go on without the mutex.
  auto more = std::make_shared<handle_scan>(*scan_);
  more->add(peer, std::move(bytes));
  shortest_handle_.store(more->shortest(), std::memory_order_relaxed); // see may_hold_handles
  scan_ = std::move(more);
  return true;
}

node_directory::node* node_directory::find(peer_id peer) {
  auto i = nodes_.find(peer);
  return i == nodes_.end() ? nullptr : &i->second;
}

std::optional<peer_id> node_directory::find(const caf::node_id& id) const {
  auto i = peers_.find(id);
  return i == peers_.end() ? std::nullopt : std::optional{i->second};
}

// A process that dies before it has told its node id is noted too: whoever still sends to it gets
// the reason.
void node_directory::die(peer_id peer, const process_end& end) {
  auto& n = nodes_[peer];
  n.dead = true;
  n.end = end;
}

void node_directory::count_proxy(peer_id peer, bool more) {
  if (auto* n = find(peer))
    n->proxies = more ? n->proxies + 1 : n->proxies - 1;
}

node_directory::node node_directory::forget_if_unknown(peer_id peer) {
  auto i = nodes_.find(peer);
  if (i == nodes_.end() || !i->second.dead || i->second.proxies != 0)
    return {};
  peers_.erase(i->second.id);
  auto fewer = std::make_shared<handle_scan>(*scan_);
  fewer->remove(peer);
  scan_ = std::move(fewer);
  auto forgotten = std::move(i->second);
  nodes_.erase(i);
  return forgotten;
}

} // namespace bulkhead::actors
