#pragma once

#include <bulkhead/detail/buffer.hpp>
#include <bulkhead/detail/onlooker.hpp>

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

namespace bulkhead::runtime {

/// Bytes of all spans of a task, at most; less than a quarter of the smallest ring.
inline constexpr std::size_t most_span_bytes = 12 * 1024;
inline constexpr std::size_t longest_span_name = 64;

/// Appends one, as it travels. False: there is no room for it.
bool add_span(detail::buffer& to, const detail::task_span& s);

/// Reads a list of them; false where the bytes are none. The names point into `from`.
bool read_spans(std::span<const std::byte> from, std::vector<detail::task_span>& to);

} // namespace bulkhead::runtime
