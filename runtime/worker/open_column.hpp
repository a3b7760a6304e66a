#pragma once

#include "runtime/channel/channel_layout.hpp"

#include <cstddef>
#include <cstdint>
#include <span>

namespace bulkhead::runtime {

/// Results of items that follow one another in a frame, on their way into the answer ring: they lie
/// behind the published answers, under one header, and are published together. Until then the host
/// may read those of all items before the claimed one, where the worker has died or takes long.
/// Only memory: whoever calls knows how much room there is, and publishes. Follows
/// docs/wire_format.md, section "Columns".
class open_column {
public:
  bool empty() const noexcept { return items_ == 0; }
  std::uint32_t items() const noexcept { return items_; }

  /// Begins at the end of the ring, of which `room` bytes are free, with the result of the item at
  /// `first`; `width` as in frame_header::result_bytes.
  void begin(std::byte* at, std::size_t room, position first, std::uint32_t width) noexcept;

  /// Where the next results are to be written, and how much room they have; then says how many
  /// were, and with how many bytes, lengths included.
  std::byte* next() const noexcept { return at_ + sizeof(answer_header) + bytes_; }
  std::size_t room() const noexcept { return room_ - bytes_; }
  void written(std::uint32_t items, std::size_t bytes) noexcept;
  /// For how many results of `width` bytes there is room. Varying ones: nobody knows.
  std::uint32_t fits(std::uint32_t width) const noexcept;

  /// One more result. False: there is no room for it.
  bool add(std::span<const std::byte> result) noexcept;

  /// The header is whole, to be published. Returns the bytes of the answer.
  std::uint32_t finish(std::uint64_t ran_ns) noexcept;

private:
  std::byte* at_ = nullptr;
  std::size_t room_ = 0; ///< for results
  std::size_t bytes_ = 0;
  std::uint32_t items_ = 0;
  bool sized_ = false;
};

} // namespace bulkhead::runtime
