#pragma once

#include <bulkhead/detail/function_ref.hpp>

#include <cstddef>
#include <vector>

namespace bulkhead::runtime {

/// Code that runs once in a forkserver: `entry` is a `void(std::span<const std::byte>)`.
struct preload_call {
  detail::function_ref entry;
  std::vector<std::byte> bytes;
};

} // namespace bulkhead::runtime
