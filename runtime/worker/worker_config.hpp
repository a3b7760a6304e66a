#pragma once

#include <bulkhead/detail/buffer.hpp>
#include <bulkhead/detail/codec.hpp>
#include <bulkhead/detail/descriptor_list.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace bulkhead::runtime {

/// What a task worker is told at its start.
struct worker_config {
  std::uint64_t id = 0;
  std::string pool_name;
  std::uint64_t ring_capacity = 0;
  std::uint64_t base = 0; ///< sequence number of its first frame
  std::uint64_t max_result_bytes = 0;
  std::uint64_t max_memory = 0;       ///< resident bytes from which on it retires; 0: none
  bool captured = false;              ///< the host keeps what it prints
  bool measures = false;              ///< pool_options::measure_growth
  std::chrono::nanoseconds spin{};    ///< longest spin before it sleeps
  std::chrono::nanoseconds beat{};    ///< interval of the heartbeat
  std::vector<std::byte> initializer; ///< see encode_call; empty: none
  std::vector<std::byte> finalizer;
  std::vector<std::uint64_t> keys; ///< of the descriptors for both, behind those of the channel
  /// What came under these keys; not encoded. Null: nothing.
  std::shared_ptr<const detail::descriptor_list> brought = {};

  template <class Inspector>
  friend auto inspect(Inspector& f, worker_config& x) {
    return f(x.id, x.pool_name, x.ring_capacity, x.base, x.max_result_bytes, x.max_memory,
             x.captured, x.measures, x.spin, x.beat, x.initializer, x.finalizer, x.keys);
  }
};

/// As the start bytes of a launch.
std::vector<std::byte> encode_config(const worker_config& config);
worker_config decode_config(std::span<const std::byte> bytes);

} // namespace bulkhead::runtime
