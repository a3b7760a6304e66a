#pragma once

#include "actors/caf/version.hpp"
#include "actors/wire/frame.hpp"

#include <caf/node_id.hpp>

#include <cstddef>
#include <span>
#include <utility>
#include <vector>

namespace bulkhead::actors {

/// Finds the handles inside an encoded message. CAF tells nobody which handles it encodes, but
/// writes each as its actor id followed by its node id, and the bytes of a node id are long and
/// unlike anything else. A chance hit costs at most a reference that is never given back.
class handle_scan {
public:
  /// `bytes`: the node id as CAF encodes it.
  void add(peer_id peer, byte_buf bytes) { nodes_.emplace_back(peer, std::move(bytes)); }

  void remove(peer_id peer) {
    std::erase_if(nodes_, [peer](const auto& n) { return n.first == peer; });
  }
  /// The least bytes that hold a handle.
  std::size_t shortest() const noexcept;

  struct found {
    peer_id peer;
    std::uint64_t actor;
    bool operator==(const found&) const = default;
  };
  /// Each handle once, in the order of the bytes; in time linear in them. `skip`: a peer whose
  /// handles are not wanted.
  std::vector<found> all(std::span<const std::byte> message, peer_id skip) const;
  /// The same, only handles of one peer.
  std::vector<found> of(std::span<const std::byte> message, peer_id wanted) const;

private:
  std::vector<std::pair<peer_id, byte_buf>> nodes_;
};

} // namespace bulkhead::actors
