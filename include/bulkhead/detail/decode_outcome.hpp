#pragma once

#include <bulkhead/detail/kept_failure.hpp>
#include <bulkhead/detail/ship.hpp>
#include <bulkhead/outcome.hpp>

#include <cstddef>
#include <cxxabi.h>
#include <span>
#include <type_traits>

namespace bulkhead::detail {

/// The value that the bytes of a result hold, or the failure of a result that cannot be read:
/// whatever the user's code throws while it reads. A cancelled thread goes on unwinding.
template <class R>
outcome<R> decode_outcome(std::span<const std::byte> bytes,
                          const descriptor_list* descriptors) try {
  if constexpr (std::is_void_v<R>) {
    decode_result<void>(bytes);
    return {};
  } else {
    return decode_result<R>(bytes, descriptors);
  }
} catch (abi::__forced_unwind&) {
  throw;
} catch (...) {
  return undecodable_result();
}

} // namespace bulkhead::detail
