#pragma once

#include <bulkhead/callable.hpp>
#include <bulkhead/detail/buffer.hpp>

#include <cstddef>
#include <span>
#include <vector>

namespace bulkhead::runtime {

/// A callable with its arguments as bytes for another process of this program. Throws codec_error.
std::vector<std::byte> encode_call(const callable& call);

/// Runs it; what it returned, encoded. `descriptors` came along. Throws what it throws, and
/// codec_error.
detail::buffer run_call(std::span<const std::byte> bytes,
                        const detail::descriptor_list* descriptors = nullptr);

/// Adds the descriptors that its function and arguments need; nothing for an empty one. Throws
/// codec_error where they are too many.
void add_descriptors(detail::descriptor_list& to, const callable& call);

} // namespace bulkhead::runtime
