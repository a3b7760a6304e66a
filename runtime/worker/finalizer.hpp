#pragma once

#include <bulkhead/detail/descriptor_list.hpp>

#include <cstddef>
#include <span>
#include <string>

namespace bulkhead::runtime {

/// Runs the finalizer of a worker that ends in order. What it throws goes to stderr: nobody waits
/// for it any more. `call` is of encode_call; empty: there is none.
void run_finalizer(std::span<const std::byte> call, const detail::descriptor_list* brought,
                   const std::string& pool) noexcept;

} // namespace bulkhead::runtime
