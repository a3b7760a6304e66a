#pragma once

#include <bulkhead/detail/awaited_word.hpp>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <span>
#include <thread>
#include <vector>

namespace bulkhead::runtime {

using detail::awaited_word;

/// So many words futex_wait_any() takes.
constexpr std::size_t most_words = 128;

/// Sleeps while all of the words, of shared memory, are what was seen, at most until the deadline
/// (CLOCK_MONOTONIC). Returns for any reason; callers look again. False: this kernel (before 5.16)
/// or a filter of system calls does not let us, and nothing was waited for.
bool futex_wait_any(std::span<const awaited_word> words,
                    std::chrono::steady_clock::time_point deadline) noexcept;

/// Rings a bell, an eventfd, once one of the words changes, for who waits for descriptors at the
/// same time. From a thread of its own for each 127 words, for as long as it lives.
class word_watch {
public:
  /// The bell is borrowed. Throws std::system_error where no thread can be made.
  word_watch(std::vector<awaited_word> words, int bell);
  word_watch(const word_watch&) = delete;
  word_watch& operator=(const word_watch&) = delete;
  ~word_watch() { stop(); }

private:
  void stop() noexcept;

  std::vector<awaited_word> words_;
  std::atomic<std::uint32_t> stop_{0};
  std::vector<std::thread> threads_;
};

} // namespace bulkhead::runtime
