#include "runtime/this_process/own_process.hpp"

#include <bulkhead/error.hpp>

#include <sys/mman.h>
#include <unistd.h>

#include <atomic>
#include <chrono>

namespace bulkhead::runtime {

namespace {

using word = std::atomic<std::uint64_t>;
static_assert(word::is_always_lock_free);

std::atomic<word*> page{nullptr};

std::uint64_t fresh_identity() noexcept {
  const auto now = std::chrono::steady_clock::now().time_since_epoch().count();
  // The clock differs between two processes that had the same pid one after the other.
  return (static_cast<std::uint64_t>(now) ^ (static_cast<std::uint64_t>(::getpid()) << 40)) | 1;
}

word* map_page() noexcept {
  static word fallback; // without memory for a page, copies stay undetected; nothing else changes
  const auto bytes = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
  auto* at = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (at == MAP_FAILED)
    return &fallback;
  // The kernel fills this page with zeros in a child of fork() (man 2 madvise), so a copy knows
  // itself without a system call at each use.
  if (::madvise(at, bytes, MADV_WIPEONFORK) != 0) {
    ::munmap(at, bytes);
    return &fallback;
  }
  return new (at) word{0};
}

// Two threads may race here: the loser gives its page back.
word* make_page() noexcept {
  auto* mine = map_page();
  // relaxed: no other thread knows the page before the exchange below publishes it.
  if (mine->load(std::memory_order_relaxed) == 0)
    mine->store(fresh_identity(), std::memory_order_relaxed);
  word* expected = nullptr;
  // acq_rel: publishes the stored identity to the acquire load in identity().
  if (page.compare_exchange_strong(expected, mine, std::memory_order_acq_rel))
    return mine;
  if (expected != mine)
    ::munmap(mine, static_cast<std::size_t>(::sysconf(_SC_PAGESIZE)));
  return expected;
}

} // namespace

std::uint64_t own_process::identity() noexcept {
  auto* at = page.load(std::memory_order_acquire); // pairs with the exchange in make_page
  if (at == nullptr)
    at = make_page();
  return at->load(std::memory_order_relaxed); // a constant of this process
}

void own_process::require() {
  if (identity() == 0)
    throw config_error(
      "this process is a fork() copy of the one that uses bulkhead: pools, processes "
      "and futures belong to the original; call exec() or _exit() here, or bulkhead::init again to "
      "make it a host of its own");
}

void own_process::adopt() noexcept {
  identity();
  // acquire: the page's content; relaxed: the copy has one thread.
  page.load(std::memory_order_acquire)->store(fresh_identity(), std::memory_order_relaxed);
}

void own_process::throw_foreign() {
  require(); // says it better in a copy that somebody else made
  throw config_error("this object belongs to another process: it was copied with the host's memory "
                     "into a worker; make one here, or pass values as arguments");
}

} // namespace bulkhead::runtime
