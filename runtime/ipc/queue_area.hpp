#pragma once

#include <bulkhead/detail/buffer.hpp>
#include <bulkhead/detail/descriptor_list.hpp>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

namespace bulkhead::runtime {

/// Where the items of a queue lie in its file. A position counts bytes since the queue was made,
/// around the ring's end.
struct queue_ring {
  std::uint64_t offset;
  std::uint64_t bytes; ///< a power of two

  /// Whether another process can have written it by the rules.
  bool is_sound() const noexcept { return bytes != 0 && (bytes & (bytes - 1)) == 0; }
};

} // namespace bulkhead::runtime

namespace bulkhead::detail {

/// One process's mapping of a queue's ring for one of its ends; used under that end's lock.
class queue_view {
public:
  queue_view() = default;
  queue_view(const queue_view&) = delete;
  queue_view& operator=(const queue_view&) = delete;
  ~queue_view();

  /// Maps this ring of the file, unless it is. Throws std::system_error, and std::runtime_error
  /// where the file has no such bytes.
  void map(const shared_descriptor& file, const runtime::queue_ring& ring) {
    if (base_ == nullptr || ring.offset != offset_ || ring.bytes != bytes_)
      map_anew(file, ring);
  }

  /// Copies to and from a position in the mapped ring, around its end.
  void write(std::uint64_t at, std::span<const std::byte> from) noexcept;
  void read(std::uint64_t at, std::span<std::byte> to) const noexcept;
  /// The same for a word at a multiple of 8, which never lies around the end.
  void write_word(std::uint64_t at, std::uint64_t word) noexcept {
    std::memcpy(base_ + (at & (bytes_ - 1)), &word, sizeof word);
  }
  std::uint64_t read_word(std::uint64_t at) const noexcept {
    std::uint64_t word = 0;
    std::memcpy(&word, base_ + (at & (bytes_ - 1)), sizeof word);
    return word;
  }

  /// An item, for which `at` is a multiple of 8: most are no larger than a word. A buffer has room
  /// for one in any case.
  void write_item(std::uint64_t at, const buffer& item) noexcept {
    if (item.size() > sizeof(std::uint64_t))
      return write(at, item.bytes());
    std::uint64_t word = 0;
    std::memcpy(&word, item.data(), sizeof word);
    // What lies behind the item is no business of others.
    write_word(at, item.empty() ? 0 : word & (~std::uint64_t{0} >> (64 - 8 * item.size())));
  }
  void read_item(std::uint64_t at, buffer& item, std::size_t bytes_of_item) const {
    auto* to = item.grow(bytes_of_item);
    if (item.size() != bytes_of_item || bytes_of_item > sizeof(std::uint64_t))
      return read(at, {to, bytes_of_item});
    const auto word = read_word(at);
    std::memcpy(to, &word, sizeof word);
  }

private:
  void map_anew(const shared_descriptor& file, const runtime::queue_ring& ring);

  std::byte* base_ = nullptr;
  std::uint64_t offset_ = 0;
  std::uint64_t bytes_ = 0;
};

/// What one process has of a queue's items. Threads of it may be at both ends at once.
struct queue_area {
  explicit queue_area(shared_descriptor f) noexcept : file(std::move(f)) {}

  shared_descriptor file;
  alignas(64) queue_view putting;
  alignas(64) queue_view getting;
};

} // namespace bulkhead::detail
