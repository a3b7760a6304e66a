#include <bulkhead/detail/large_memory.hpp>

#include <sys/mman.h>

#include <cerrno>
#include <cstdint>

namespace bulkhead::detail {

void prefer_huge_pages(void* at, std::size_t bytes) noexcept {
  constexpr std::uintptr_t huge = std::uintptr_t{2} << 20;
  const auto begin = (reinterpret_cast<std::uintptr_t>(at) + huge - 1) / huge * huge;
  const auto end = (reinterpret_cast<std::uintptr_t>(at) + bytes) / huge * huge;
  if (begin >= end)
    return;
  const int kept = errno;
  ::madvise(reinterpret_cast<void*>(begin), end - begin, MADV_HUGEPAGE);
  errno = kept;
}

} // namespace bulkhead::detail
