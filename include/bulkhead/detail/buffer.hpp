#pragma once

#include <bulkhead/detail/descriptor_list.hpp>
#include <bulkhead/detail/large_memory.hpp>

#include <cstddef>
#include <cstring>
#include <memory>
#include <new>
#include <span>
#include <utility>

namespace bulkhead::detail {

/// Bytes that grow at the end. The first 112 live inside the object, so that the message of a
/// typical task needs no allocation. New bytes are not initialised. Open descriptors that the bytes
/// name go along. Not thread-safe.
class buffer {
public:
  static constexpr std::size_t inline_bytes = 112;

  buffer() noexcept = default;
  buffer(buffer&& other) noexcept { take(other); }
  buffer& operator=(buffer&& other) noexcept {
    if (this != &other)
      take(other);
    return *this;
  }

  const std::byte* data() const noexcept { return heap_ ? heap_.get() : local_; }
  std::byte* data() noexcept { return heap_ ? heap_.get() : local_; }
  std::size_t size() const noexcept { return size_; }
  std::size_t capacity() const noexcept { return capacity_; }
  bool empty() const noexcept { return size_ == 0; }
  std::span<const std::byte> bytes() const noexcept { return {data(), size_}; }

  /// Forgets the content and keeps the memory.
  void clear() noexcept {
    size_ = 0;
    descriptors_.reset();
  }

  /// The descriptors that go along; null where there are none.
  const descriptor_list* descriptors() const noexcept { return descriptors_.get(); }

  /// The descriptor goes along, once. Throws codec_error where they are too many.
  void attach(const shared_descriptor& d) { own_descriptors().add(d); }
  /// So do all of the list; null: none.
  void attach_all(const descriptor_list* list) {
    if (list != nullptr)
      own_descriptors().add_all(*list);
  }

  /// Makes `count` more bytes and returns where they begin. Throws std::bad_alloc.
  std::byte* grow(std::size_t count) {
    if (count > capacity_ - size_)
      enlarge(count);
    auto* at = data() + size_;
    size_ += count;
    return at;
  }

  void append(const void* from, std::size_t count) {
    if (count != 0)
      std::memcpy(grow(count), from, count);
  }

  /// Drops what lies behind the first `size` bytes; `size` must not exceed `this->size()`.
  void truncate(std::size_t size) noexcept { size_ = size; }

  void reserve(std::size_t bytes) {
    if (bytes > capacity_)
      enlarge(bytes - size_);
  }

private:
  void take(buffer& other) noexcept {
    heap_ = std::move(other.heap_);
    descriptors_ = std::move(other.descriptors_);
    size_ = std::exchange(other.size_, 0);
    capacity_ = std::exchange(other.capacity_, inline_bytes);
    if (!heap_)
      std::memcpy(local_, other.local_, size_);
  }

  descriptor_list& own_descriptors() {
    if (!descriptors_)
      descriptors_ = std::make_unique<descriptor_list>();
    return *descriptors_;
  }

  void enlarge(std::size_t count) {
    if (count > static_cast<std::size_t>(-1) / 4 - size_)
      throw std::bad_alloc{};
    auto capacity = size_ + count;
    if (capacity < 2 * capacity_)
      capacity = 2 * capacity_;
    auto bigger = make_bytes(capacity);
    std::memcpy(bigger.get(), data(), size_);
    heap_ = std::move(bigger);
    capacity_ = capacity;
  }

  byte_block heap_;
  std::unique_ptr<descriptor_list> descriptors_;
  std::size_t size_ = 0;
  std::size_t capacity_ = inline_bytes;
  std::byte local_[inline_bytes];
};

} // namespace bulkhead::detail
