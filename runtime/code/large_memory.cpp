#include <bulkhead/detail/large_memory.hpp>

#include <sys/mman.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <cstdint>
#include <mutex>
#include <new>

// Large values come and go, and untouched memory costs many times a copy (docs/performance.md). So
// a few blocks are kept while such values travel, and given back once they do not.
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

namespace {

using clock = std::chrono::steady_clock;

/// Blocks for those who come next. All is guarded by the mutex, which is only tried: a copy of this
/// process that was made by fork() may find it held by nobody.
class memory_shelf {
public:
  void open() noexcept { open_.store(true, std::memory_order_relaxed); } // orders nothing

  /// Null: none fits.
  std::pair<std::byte*, std::size_t> take(std::size_t bytes) noexcept {
    const std::unique_lock lock{mutex_, std::try_to_lock};
    if (!lock || !is_open())
      return {};
    wanted_ = clock::now();
    auto* best = blocks_.data() + count_;
    for (auto* b = blocks_.data(); b != blocks_.data() + count_; ++b)
      if (b->second >= bytes && b->second <= 2 * bytes
          && (best == blocks_.data() + count_ || b->second < best->second))
        best = b;
    if (best == blocks_.data() + count_)
      return {};
    const auto found = *best;
    *best = blocks_[--count_];
    held_ -= found.second;
    return found;
  }

  /// False: it has no place here.
  bool put(std::byte* at, std::size_t bytes) noexcept {
    const std::unique_lock lock{mutex_, std::try_to_lock};
    if (!lock || !is_open() || count_ == blocks_.size() || held_ + bytes > most || is_idle())
      return false;
    blocks_[count_++] = {at, bytes};
    held_ += bytes;
    return true;
  }

  void drop_idle() noexcept {
    const std::unique_lock lock{mutex_, std::try_to_lock};
    if (!lock || !is_idle())
      return;
    while (count_ > 0)
      delete[] blocks_[--count_].first;
    held_ = 0;
  }

private:
  static constexpr std::size_t most = std::size_t{192} << 20;

  bool is_open() const noexcept { return open_.load(std::memory_order_relaxed); } // as above
  bool is_idle() const noexcept { return clock::now() - wanted_ >= idle_memory; }

  std::atomic<bool> open_{false};
  std::mutex mutex_;
  clock::time_point wanted_{};
  std::size_t held_ = 0; ///< bytes
  std::size_t count_ = 0;
  std::array<std::pair<std::byte*, std::size_t>, 16> blocks_{};
};

/// Lives until the process ends: values may outlive static objects.
memory_shelf& shelf() noexcept {
  alignas(memory_shelf) static std::byte place[sizeof(memory_shelf)];
  static auto* const made = new (place) memory_shelf;
  return *made;
}

} // namespace

std::pair<std::byte*, std::size_t> take_large(std::size_t bytes) {
  if (auto kept = shelf().take(bytes); kept.first != nullptr)
    return kept;
  auto* made = new std::byte[bytes];
  if (bytes >= large_memory)
    prefer_huge_pages(made, bytes);
  return {made, bytes};
}

void give_large(std::byte* at, std::size_t bytes) noexcept {
  if (!shelf().put(at, bytes))
    delete[] at;
}

void recycle_memory() noexcept { shelf().open(); }
void drop_idle_memory() noexcept { shelf().drop_idle(); }

} // namespace bulkhead::detail
