#pragma once

#include "runtime/crash/flight_recorder.hpp"

#include <atomic>
#include <cstddef>
#include <cstdint>

namespace bulkhead::runtime {

enum class process_end : std::uint32_t { nothing, value, failure };

/// What a bulkhead::process writes for its host, which maps it without write access and trusts none
/// of it. What its function returned or threw is in a file beside it.
struct process_page {
  alignas(64) flight_recorder recorder;
  alignas(64) std::atomic<process_end> end; ///< written last
  std::atomic<std::uint64_t> bytes;         ///< of the file
};

inline constexpr std::size_t process_page_bytes = 4096;
static_assert(sizeof(process_page) <= process_page_bytes);

/// Encoded results up to here come back.
inline constexpr std::size_t max_process_result = std::size_t{1} << 30;

/// The packet that asks a process to stop.
inline constexpr std::byte interrupt_packet{2};

} // namespace bulkhead::runtime
