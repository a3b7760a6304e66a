#include "runtime/outcome/word_watch.hpp"

#include "runtime/system/bell.hpp"
#include "runtime/system/futex.hpp"
#include "runtime/system/masked_thread.hpp"
#include "runtime/system/timespec.hpp"

#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstddef>

namespace bulkhead::runtime {

namespace {

// Debian 12 has its number, but not in each C library that we build with.
#ifndef SYS_futex_waitv
constexpr long SYS_futex_waitv = 449; // of all architectures
#endif

/// struct futex_waitv of the kernel.
struct waited_word {
  std::uint64_t seen;
  std::uint64_t address;
  std::uint32_t flags;
  std::uint32_t reserved;
};
constexpr std::uint32_t word_of_32_bits = 2; // and shared: without FUTEX_PRIVATE_FLAG

} // namespace

bool futex_wait_any(std::span<const awaited_word> words,
                    std::chrono::steady_clock::time_point deadline) noexcept {
  std::array<waited_word, most_words> list; // NOLINT(*-member-init): only what is used
  const auto count = std::min(words.size(), list.size());
  for (std::size_t i = 0; i < count; ++i)
    list[i] = {words[i].seen, reinterpret_cast<std::uintptr_t>(words[i].word), word_of_32_bits, 0};
  const auto forever = deadline == std::chrono::steady_clock::time_point::max();
  const auto at = as_timespec(deadline.time_since_epoch());
  return ::syscall(SYS_futex_waitv, list.data(), count, 0, forever ? nullptr : &at, CLOCK_MONOTONIC)
           >= 0
         || (errno != ENOSYS && errno != EPERM);
}

word_watch::word_watch(std::vector<awaited_word> words, int bell) : words_(std::move(words)) {
  constexpr std::size_t share = most_words - 1; // and the word that ends it
  try {
    for (std::size_t i = 0; i < words_.size(); i += share) {
      const auto mine = std::span(words_).subspan(i, std::min(share, words_.size() - i));
      std::vector<awaited_word> all(mine.begin(), mine.end());
      all.push_back({&stop_, 0});
      threads_.push_back(masked_thread("bh-wait", [all = std::move(all), bell] {
        futex_wait_any(all, std::chrono::steady_clock::time_point::max());
        ring(bell);
      }));
    }
  } catch (...) {
    stop();
    throw;
  }
}

// release and the futex call: a thread that has not slept yet finds another value, one that sleeps
// is woken.
void word_watch::stop() noexcept {
  stop_.store(1, std::memory_order_release);
  futex_wake_all(stop_, true);
  for (auto& thread : threads_)
    thread.join();
}

} // namespace bulkhead::runtime
