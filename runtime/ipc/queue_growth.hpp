#pragma once

#include "runtime/ipc/queue_words.hpp"

#include <cstdint>

namespace bulkhead::detail {

using runtime::queue_ring;
using runtime::queue_words;

/// Of the first ring.
constexpr std::uint64_t first_bytes = std::uint64_t{64} << 10;

/// Throws std::runtime_error.
[[noreturn]] void throw_damaged(const char* what);

/// The ring in use, copied and then checked, since another process wrote it. Under a lock. Throws
/// std::runtime_error.
inline queue_ring sound_ring(const queue_words& w) {
  const auto ring = w.ring();
  if (!ring.is_sound())
    throw_damaged("a process has overwritten it");
  return ring;
}

/// What the queue holds in bytes, of positions that were copied. Throws std::runtime_error.
inline std::uint64_t held_bytes(std::uint64_t head, std::uint64_t tail, const queue_ring& ring) {
  if (tail - head > ring.bytes)
    throw_damaged("a process has overwritten it");
  return tail - head;
}

/// Makes room for so many bytes: a ring at least twice as large, with what is in the present one.
/// The caller has the lock of `putting`. Throws too_large and std::system_error where the system
/// has no memory for it; then nothing has changed.
void grow(queue_words& w, queue_area& area, std::uint64_t needed);

/// Whether it is worth a look at both ends whether the ring can be given back. Under the lock of
/// `getting`.
bool is_large_and_empty(const queue_words& w) noexcept;

/// The first ring again, where the queue is empty and has become large. Takes both locks.
void give_back(queue_words& w, const queue_area& area);

} // namespace bulkhead::detail
