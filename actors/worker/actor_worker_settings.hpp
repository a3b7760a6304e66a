#pragma once

#include "actors/caf/worker_system.hpp"
#include "actors/wire/frame.hpp"

#include <bulkhead/detail/codec.hpp>

#include <chrono>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace bulkhead::actors {

/// What an actor worker is told at its start.
struct worker_settings {
  peer_id peer = 0;
  std::string pool_name;
  std::uint64_t ring_bytes = 0;
  std::uint64_t window = 0; ///< messages to host actors that may be unprocessed
  std::uint64_t window_bytes = 0;
  std::chrono::nanoseconds beat{};
  std::chrono::nanoseconds grace{};
  std::chrono::nanoseconds spin{}; ///< longest spin before the loop sleeps
  bool threaded = false;           ///< CAF's own scheduler instead of the loop
  std::vector<std::byte> host_node;
  std::vector<std::byte> initializer; ///< see runtime::encode_call; empty: none
  std::vector<std::byte> finalizer;
  std::uint64_t number = 0;        ///< what this_worker::id() says
  std::uint64_t names = 0;         ///< the host's actor that keeps the names
  std::vector<std::uint64_t> keys; ///< of the descriptors for initializer and finalizer

  template <class Inspector>
  friend auto inspect(Inspector& f, worker_settings& x) {
    return f(x.peer, x.pool_name, x.ring_bytes, x.window, x.window_bytes, x.beat, x.grace, x.spin,
             x.threaded, x.host_node, x.initializer, x.finalizer, x.number, x.names, x.keys);
  }
};

/// As the start bytes of a launch.
std::vector<std::byte> encode_settings(const worker_settings& settings);
worker_settings decode_settings(std::span<const std::byte> bytes);

} // namespace bulkhead::actors
