#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

namespace bulkhead::actors {

/// What one side of a channel tells the other, in the head of the segment that only it writes; its
/// outgoing ring follows. The reader trusts none of it: copy, then check. The memory orders are
/// explained where the words are used, in ring_transport.cpp.
struct ring_words {
  static constexpr std::uint32_t current_version = 1;

  std::uint32_t version;
  std::uint32_t reserved;
  alignas(64) std::atomic<std::uint64_t> tail;    ///< bytes published in the own ring
  alignas(64) std::atomic<std::uint64_t> head;    ///< bytes taken from the peer's ring
  std::atomic<std::uint64_t> popped;              ///< pieces taken from the peer's ring
  alignas(64) std::atomic<std::uint64_t> granted; ///< the peer's counted messages processed
  std::atomic<std::uint64_t> granted_bytes;       ///< and what they had in all
  alignas(64) std::atomic<std::uint32_t> asleep;  ///< a number: ring once when you publish
  alignas(64) std::atomic<std::uint32_t> wishes;  ///< raised: ring when you made room or grant
  std::atomic<std::uint64_t> room_at;             ///< there is room once the peer's head is here
  alignas(64) std::atomic<std::uint64_t> beat;    ///< raised by the worker's watch thread
};
static_assert(std::atomic<std::uint64_t>::is_always_lock_free);

/// The head of a segment: the words on the first page, the worker's flight recorder on the second.
inline constexpr std::size_t recorder_offset = 4096;
inline constexpr std::size_t ring_words_bytes = 8192;
static_assert(sizeof(ring_words) <= recorder_offset);

} // namespace bulkhead::actors
