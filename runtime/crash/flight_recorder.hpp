#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

namespace bulkhead::runtime {

inline constexpr std::size_t max_frames = 64;
inline constexpr std::size_t log_bytes = 2048;
inline constexpr std::size_t call_place_bytes = 96;

/// What survives the worker's death: where it crashed and what it said last.
struct flight_recorder {
  std::atomic<std::uint32_t> signal;
  std::atomic<std::uint32_t> frame_count;
  std::atomic<std::uint64_t> fault_address;
  std::uint64_t frames[max_frames];   ///< code addresses in the worker
  std::uint64_t modules[max_frames];  ///< identity of each frame's module, 0 where unknown
  std::uint64_t offsets[max_frames];  ///< each frame's offset in its module
  std::atomic<std::uint32_t> log_end; ///< bytes of `log` in use
  char log[log_bytes];
  std::uint64_t call;                ///< the system call that a sandbox forbade, plus 1; 0: none
  std::uint64_t call_arguments[6];   ///< its arguments
  char call_place[call_place_bytes]; ///< the file that it names, or the bytes of an address, cut to
                                     ///< fit; empty: none
};

} // namespace bulkhead::runtime
