#pragma once

#include <bulkhead/detail/task_sink.hpp>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

namespace bulkhead::runtime {

/// The results of items [first, last) of a column whose bytes begin at `from`, in another process's
/// memory: copied once, and only the copy is believed. `width` as in detail::work::result_bytes.
/// Empty where they do not fit in. Throws std::bad_alloc.
std::optional<detail::result_column> copy_column(std::span<const std::byte> from,
                                                 std::uint32_t width, std::uint32_t first,
                                                 std::uint32_t last);

} // namespace bulkhead::runtime
