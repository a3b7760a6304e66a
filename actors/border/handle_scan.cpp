#include "actors/border/handle_scan.hpp"

#include <algorithm>
#include <cstring>
#include <unordered_set>

namespace bulkhead::actors {

namespace {

constexpr std::size_t id_bytes = 8;

// CAF writes integers in network byte order.
std::uint64_t read_id(const std::byte* at) noexcept {
  std::uint64_t id = 0;
  for (std::size_t i = 0; i < id_bytes; ++i)
    id = id << 8 | static_cast<std::uint64_t>(at[i]);
  return id;
}

void scan(std::span<const std::byte> message, peer_id peer, const byte_buf& needle,
          std::vector<handle_scan::found>& result) {
  std::unordered_set<std::uint64_t> seen; // of this peer
  const auto* const begin = message.data();
  const auto* at = begin;
  const auto* const end = begin + message.size();
  while (at != end) {
    const auto* hit = static_cast<const std::byte*>(
      ::memmem(at, static_cast<std::size_t>(end - at), needle.data(), needle.size()));
    if (hit == nullptr)
      return;
    const bool whole = static_cast<std::size_t>(hit - begin) >= id_bytes;
    const auto actor = whole ? read_id(hit - id_bytes) : 0;
    if (actor != 0 && seen.insert(actor).second)
      result.push_back({peer, actor});
    // Not behind the whole id: bytes of a message may contain its beginning anywhere, and both
    // sides have to find the same.
    at = hit + 1;
  }
}

} // namespace

std::size_t handle_scan::shortest() const noexcept {
  auto least = static_cast<std::size_t>(-1);
  for (const auto& [peer, bytes] : nodes_)
    least = std::min(least, id_bytes + bytes.size());
  return least;
}

std::vector<handle_scan::found> handle_scan::all(std::span<const std::byte> message,
                                                 peer_id skip) const {
  std::vector<found> result;
  for (const auto& [peer, bytes] : nodes_)
    if (peer != skip)
      scan(message, peer, bytes, result);
  return result;
}

std::vector<handle_scan::found> handle_scan::of(std::span<const std::byte> message,
                                                peer_id wanted) const {
  std::vector<found> result;
  for (const auto& [peer, bytes] : nodes_)
    if (peer == wanted)
      scan(message, peer, bytes, result);
  return result;
}

} // namespace bulkhead::actors
