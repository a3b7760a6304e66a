#pragma once

#include "runtime/system/segment.hpp"

#include <cstddef>
#include <cstdint>
#include <deque>
#include <vector>

namespace bulkhead::runtime {

/// The host's segments for large arguments of one worker: pooled by size up to a bound, read-only
/// for the worker. Guarded by the pool's lock.
class argument_segments {
public:
  /// Bodies from here on travel in a segment.
  static constexpr std::size_t threshold = std::size_t{64} << 10;

  explicit argument_segments(std::size_t keep_bytes) : keep_bytes_(keep_bytes) {}

  struct lease {
    std::uint32_t id;
    std::byte* data;
    std::size_t bytes; ///< of the whole segment
    int fd;            ///< to be sent along when the segment is new, else -1
    bool drop_after;   ///< the worker unmaps it after this frame
  };

  /// A segment of at least `bytes` for the frame `sequence`. Throws std::system_error.
  lease acquire(std::size_t bytes, std::uint64_t sequence);

  /// Undoes the last acquire: its frame was not sent.
  void undo_acquire() noexcept;

  /// Frames below `sequence` are answered: their segments are free again.
  void release_below(std::uint64_t sequence) noexcept;

private:
  struct entry {
    std::uint32_t id;
    segment memory;
    bool drop_after;
  };
  struct held {
    std::uint64_t sequence;
    entry content;
  };

  std::size_t keep_bytes_;
  std::size_t kept_bytes_ = 0; ///< of all segments that are not dropped after use
  std::uint32_t next_id_ = 1;
  std::vector<entry> free_;
  std::deque<held> held_; // by sequence
};

} // namespace bulkhead::runtime
