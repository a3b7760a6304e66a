#pragma once

#include <bulkhead/detail/descriptor_list.hpp>

#include <cstddef>
#include <cstdint>
#include <span>

namespace bulkhead::runtime {

/// Where the items of a queue lie in its file, and how far it has come: what one commit replaces.
/// Positions count bytes since the queue was made; `bytes` is a power of two.
struct queue_state {
  std::uint64_t offset; ///< of the ring in the file
  std::uint64_t bytes;  ///< of the ring
  std::uint64_t head;
  std::uint64_t tail;
  std::uint64_t puts;
  std::uint64_t gets;
  std::uint64_t dones;

  std::uint64_t room() const noexcept { return bytes - (tail - head); }
  std::uint64_t items() const noexcept { return puts - gets; }
  /// Whether another process can have written it by the rules.
  bool is_sound() const noexcept {
    return bytes != 0 && (bytes & (bytes - 1)) == 0 && tail - head <= bytes && gets <= puts
           && dones <= puts;
  }
};

} // namespace bulkhead::runtime

namespace bulkhead::detail {

/// One process's mapping of a queue's ring; used under the queue's lock.
struct queue_area {
  explicit queue_area(shared_descriptor f) noexcept : file(std::move(f)) {}
  queue_area(const queue_area&) = delete;
  queue_area& operator=(const queue_area&) = delete;
  ~queue_area();

  /// Maps the ring of this state, unless it is. Throws std::system_error, and std::runtime_error
  /// where the file has no such bytes.
  void map(const runtime::queue_state& s);

  /// Copies to and from a position in the mapped ring, around its end.
  void write(std::uint64_t at, std::span<const std::byte> from) noexcept;
  void read(std::uint64_t at, std::span<std::byte> to) const noexcept;

  shared_descriptor file;
  std::byte* base = nullptr;
  std::uint64_t offset = 0;
  std::uint64_t bytes = 0;
};

} // namespace bulkhead::detail
