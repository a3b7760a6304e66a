#pragma once

#include <cstddef>

namespace bulkhead::detail {

/// Memory of at least so many bytes is worth huge pages: the first touch of an ordinary page takes
/// many times as long as a copy of its bytes.
inline constexpr std::size_t large_memory = std::size_t{4} << 20;

/// Asks the kernel to back the whole huge pages within [at, at + bytes), which is to be written
/// soon, as such (MADV_HUGEPAGE, man 2 madvise). A hint: without them nothing changes. Leaves errno
/// as it is. Thread-safe.
void prefer_huge_pages(void* at, std::size_t bytes) noexcept;

/// Makes room for many elements in an empty container that has them side by side.
template <class Container>
void reserve_large(Container& to, std::size_t count) {
  if constexpr (requires { to.reserve(count), to.data(); }) {
    const auto bytes = count * sizeof(typename Container::value_type);
    if (bytes < large_memory)
      return;
    to.reserve(count);
    prefer_huge_pages(to.data(), bytes);
  }
}

} // namespace bulkhead::detail
