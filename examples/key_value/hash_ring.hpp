#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>

/// Consistent hashing: which of some shards has a key. Each shard has many points on a ring, and a
/// key belongs to the next point, so that a shard more or less moves only its own share of keys.
class hash_ring {
public:
  explicit hash_ring(std::size_t shards) {
    for (std::size_t shard = 0; shard < shards; ++shard)
      for (int point = 0; point < points_per_shard; ++point)
        points_[hash(std::to_string(shard) + '#' + std::to_string(point))] = shard;
  }

  std::size_t shard_of(std::string_view key) const {
    const auto next = points_.lower_bound(hash(key));
    return next == points_.end() ? points_.begin()->second : next->second;
  }

private:
  static constexpr int points_per_shard = 64;

  // FNV-1a and a last mix: the same in every process and on every machine.
  static std::uint64_t hash(std::string_view text) {
    std::uint64_t h = 0xcbf29ce484222325u;
    for (const unsigned char c : text)
      h = (h ^ c) * 0x100000001b3u;
    h ^= h >> 32;
    h *= 0x9e3779b97f4a7c15u;
    return h ^ (h >> 29);
  }

  std::map<std::uint64_t, std::size_t> points_;
};
