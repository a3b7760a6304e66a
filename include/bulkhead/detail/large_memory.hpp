#pragma once

#include <cstddef>
#include <memory>

namespace bulkhead::detail {

/// Memory of at least so many bytes is worth huge pages: the first touch of an ordinary page takes
/// many times as long as a copy of its bytes.
inline constexpr std::size_t large_memory = std::size_t{4} << 20;

/// Asks the kernel to back the whole huge pages within [at, at + bytes), which is to be written
/// soon, as such (MADV_HUGEPAGE, man 2 madvise). A hint: without them nothing changes. Leaves errno
/// as it is. Thread-safe.
void prefer_huge_pages(void* at, std::size_t bytes) noexcept;

/// So many bytes, not initialised, of huge pages where they are many. Throws std::bad_alloc.
inline std::unique_ptr<std::byte[]> make_bytes(std::size_t count) {
  std::unique_ptr<std::byte[]> made{new std::byte[count]};
  if (count >= large_memory)
    prefer_huge_pages(made.get(), count);
  return made;
}

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
