#pragma once

#include <bulkhead/callable.hpp>

#include <cstddef>
#include <span>
#include <vector>

namespace bulkhead::runtime {

/// A callable with its arguments as bytes for another process of this program. Throws codec_error.
std::vector<std::byte> encode_call(const callable& call);

/// Runs it and drops the result. Throws what it throws, and codec_error.
void run_call(std::span<const std::byte> bytes);

} // namespace bulkhead::runtime
