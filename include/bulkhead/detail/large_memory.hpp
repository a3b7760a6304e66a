#pragma once

#include <chrono>
#include <cstddef>
#include <memory>
#include <utility>

namespace bulkhead::detail {

/// Memory of at least so many bytes is worth huge pages: the first touch of an ordinary page takes
/// many times as long as a copy of its bytes.
inline constexpr std::size_t large_memory = std::size_t{4} << 20;

/// Asks the kernel to back the whole huge pages within [at, at + bytes), which is to be written
/// soon, as such (MADV_HUGEPAGE, man 2 madvise). A hint: without them nothing changes. Leaves errno
/// as it is. Thread-safe.
void prefer_huge_pages(void* at, std::size_t bytes) noexcept;

/// Memory of at least so many bytes is used again instead of being given back and touched anew,
/// where a pool of this process exchanges such values all the time.
inline constexpr std::size_t recycled_memory = std::size_t{64} << 10;

/// At least `bytes`, at least recycled_memory, and how many. Throws std::bad_alloc. Thread-safe.
std::pair<std::byte*, std::size_t> take_large(std::size_t bytes);
void give_large(std::byte* at, std::size_t bytes) noexcept;
/// From now on this process keeps what it may want again soon. For hosts: a worker's memory is
/// counted.
void recycle_memory() noexcept;
/// Gives back what has been kept and was not wanted lately.
void drop_idle_memory() noexcept;
/// What is not wanted for so long is given back.
inline constexpr std::chrono::seconds idle_memory{1};

/// Frees memory of make_bytes().
struct byte_deleter {
  std::size_t bytes = 0; ///< of the memory
  void operator()(std::byte* at) const noexcept {
    if (bytes < recycled_memory)
      delete[] at;
    else
      give_large(at, bytes);
  }
};
using byte_block = std::unique_ptr<std::byte[], byte_deleter>;

/// At least so many bytes, not initialised, of huge pages where they are many. Throws
/// std::bad_alloc.
inline byte_block make_bytes(std::size_t count) {
  if (count < recycled_memory)
    return {new std::byte[count], byte_deleter{count}};
  const auto [at, bytes] = take_large(count);
  return {at, byte_deleter{bytes}};
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
