#pragma once

#include <cstddef>

namespace bulkhead {

/// What decoding one result or message of a worker may cost, whatever its bytes claim. Beyond it
/// the value is a codec_error in the thread that asks for it. The defaults are generous for honest
/// values; a host whose values are small makes them small. Arguments that the host wrote itself are
/// not bounded.
struct decoding_limits {
  std::size_t memory_bytes = std::size_t{256} << 20; ///< of all containers' elements together
  std::size_t memory_factor = 256;                   ///< and as much a byte of the message
  std::size_t elements = std::size_t{1} << 20; ///< of all containers together, beside one for each
                                               ///< byte of the message
  std::size_t looks = std::size_t{1} << 28;    ///< at elements of crowded buckets of hash tables:
                                               ///< about half a second

  friend bool operator==(const decoding_limits&, const decoding_limits&) = default;
};

/// For all values that this process decodes from now on. Thread-safe; values that are being decoded
/// at the moment may have the limits from before. Throws config_error for more memory or elements
/// than 2^48, or a factor above 2^16: they would bound nothing.
void limit_decoding(const decoding_limits& limits);

/// Those that hold now. Thread-safe.
decoding_limits current_decoding_limits() noexcept;

} // namespace bulkhead
