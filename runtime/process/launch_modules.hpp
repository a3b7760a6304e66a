#pragma once

#include <bulkhead/detail/function_ref.hpp>

#include <cstddef>
#include <span>
#include <vector>

namespace bulkhead::runtime {

/// The modules of this process, encoded for a request: a new process loads from the same files
/// what was loaded after the forkserver was made.
std::vector<std::byte> encode_modules();

/// Makes an encoded table known to from_ref. Throws launch_error for bytes that are no table.
void set_modules(std::span<const std::byte> table);

/// The code that a request names. Throws what from_ref throws.
template <class Function>
Function code_at(detail::function_ref ref) {
  return reinterpret_cast<Function>(const_cast<void*>(detail::from_ref(ref)));
}

} // namespace bulkhead::runtime
