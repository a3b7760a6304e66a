#pragma once

#include <bulkhead/detail/buffer.hpp>
#include <bulkhead/detail/descriptor_list.hpp>

#include <cstddef>
#include <cstdint>
#include <cstring>
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

/// The same as an assignment, word by word: a copy in larger pieces waits for the single words of
/// it that were stored just before to reach memory, some 10 ns each time.
inline void copy_state(queue_state& to, const queue_state& from) noexcept {
  const auto copy = [](std::uint64_t& target, const std::uint64_t& source) {
    // relaxed: under the lock; atomic only so that words stay words.
    __atomic_store_n(&target, __atomic_load_n(&source, __ATOMIC_RELAXED), __ATOMIC_RELAXED);
  };
  copy(to.offset, from.offset);
  copy(to.bytes, from.bytes);
  copy(to.head, from.head);
  copy(to.tail, from.tail);
  copy(to.puts, from.puts);
  copy(to.gets, from.gets);
  copy(to.dones, from.dones);
}

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
  void map(const runtime::queue_state& s) {
    if (base == nullptr || s.offset != offset || s.bytes != bytes)
      map_anew(s);
  }

  /// Copies to and from a position in the mapped ring, around its end.
  void write(std::uint64_t at, std::span<const std::byte> from) noexcept;
  void read(std::uint64_t at, std::span<std::byte> to) const noexcept;
  /// The same for a word at a multiple of 8, which never lies around the end.
  void write_word(std::uint64_t at, std::uint64_t word) noexcept {
    std::memcpy(base + (at & (bytes - 1)), &word, sizeof word);
  }
  std::uint64_t read_word(std::uint64_t at) const noexcept {
    std::uint64_t word = 0;
    std::memcpy(&word, base + (at & (bytes - 1)), sizeof word);
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

  void map_anew(const runtime::queue_state& s);

  shared_descriptor file;
  std::byte* base = nullptr;
  std::uint64_t offset = 0;
  std::uint64_t bytes = 0;
};

} // namespace bulkhead::detail
