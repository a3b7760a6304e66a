#pragma once

#include <bulkhead/detail/buffer.hpp>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <utility>

namespace bulkhead::detail {

/// The bytes of one result until somebody asks for its value: few of them in place, because a
/// million futures may wait to be read.
class kept_bytes {
public:
  static constexpr std::size_t most_in_place = 23;

  /// Throws std::bad_alloc.
  explicit kept_bytes(std::span<const std::byte> bytes) {
    if (bytes.size() <= most_in_place) {
      size_ = static_cast<std::uint8_t>(bytes.size());
      if (size_ != 0)
        std::memcpy(place_, bytes.data(), size_);
    } else {
      buffer copy;
      copy.append(bytes.data(), bytes.size());
      own(std::move(copy));
    }
  }
  /// With the descriptors that came along. Throws std::bad_alloc.
  explicit kept_bytes(buffer&& bytes) { own(std::move(bytes)); }
  kept_bytes(const kept_bytes&) = delete;
  kept_bytes& operator=(const kept_bytes&) = delete;
  ~kept_bytes() {
    if (is_large())
      delete owned();
  }

  std::span<const std::byte> bytes() const noexcept {
    return is_large() ? owned()->bytes() : std::span<const std::byte>{place_, size_};
  }
  /// Null where none came along.
  const descriptor_list* descriptors() const noexcept {
    return is_large() ? owned()->descriptors() : nullptr;
  }

private:
  static constexpr std::uint8_t large = UINT8_MAX;
  bool is_large() const noexcept { return size_ == large; }

  void own(buffer&& bytes) {
    const auto address = reinterpret_cast<std::uintptr_t>(new buffer(std::move(bytes)));
    std::memcpy(place_, &address, sizeof address);
  }
  const buffer* owned() const noexcept {
    std::uintptr_t address = 0;
    std::memcpy(&address, place_, sizeof address);
    return reinterpret_cast<const buffer*>(address);
  }

  alignas(buffer*) std::byte place_[most_in_place]; ///< the bytes, or the address of a buffer
  std::uint8_t size_ = large;
};

} // namespace bulkhead::detail
