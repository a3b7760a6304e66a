#pragma once

#include <bulkhead/detail/buffer.hpp>
#include <bulkhead/detail/pointer_free.hpp>
#include <bulkhead/detail/reader.hpp>

#include <array>
#include <cstddef>
#include <cstring>
#include <memory>
#include <new>
#include <type_traits>
#include <utility>

// How one type travels. A coder<T> that can has
//   static constexpr bool supported        whether T's parts can travel, too
//   static constexpr std::size_t least_bytes   no encoded T is shorter; 0 where unknown
//   static void write(buffer&, const T&)
//   static T read(reader&)                 throws codec_error, trusts nothing
namespace bulkhead::detail {

/// The types without a specialisation do not travel.
template <class T>
struct coder {
  static constexpr bool supported = false;
};

/// T can be written and read back in another process of the same program.
template <class T>
concept encodable = coder<std::remove_cv_t<T>>::supported;

/// Classes that are trivially copyable now and then but have an encoding of their own.
template <class T>
inline constexpr bool has_own_encoding = false;

/// Travels as the bytes of the object.
template <class T>
concept raw = std::is_object_v<T> && !std::is_const_v<T> && !std::is_volatile_v<T>
              && !std::is_same_v<T, bool> && !has_own_encoding<T> && pointer_free<T>;

/// A T from bytes at any address.
template <class T>
T from_bytes(const std::byte* bytes) noexcept {
  alignas(T) std::byte storage[sizeof(T)];
  std::memcpy(storage, bytes, sizeof(T));
  return std::move(*std::launder(reinterpret_cast<T*>(storage)));
}

template <raw T>
struct coder<T> {
  static constexpr bool supported = true;
  static constexpr std::size_t least_bytes = sizeof(T);

  static void write(buffer& out, const T& value) {
    std::memcpy(out.grow(sizeof(T)), std::addressof(value), sizeof(T));
  }
  static T read(reader& in) { return from_bytes<T>(in.take(sizeof(T), typeid(T))); }
};

template <>
struct coder<bool> {
  static constexpr bool supported = true;
  static constexpr std::size_t least_bytes = 1;

  static void write(buffer& out, bool value) { *out.grow(1) = std::byte{value}; }
  static bool read(reader& in) { return read_flag(in, typeid(bool)); }

  /// A byte that is 0 or 1; an error names `type`.
  static bool read_flag(reader& in, const std::type_info& type) {
    const auto flag = std::to_integer<unsigned>(*in.take(1, type));
    if (!validated("codec.flag", flag <= 1)) [[unlikely]]
      throw_undecodable(type, "a flag is neither 0 nor 1");
    return flag == 1;
  }
};

/// The number of elements, then the elements as they lie in memory.
template <raw T>
void write_contiguous(buffer& out, const T* first, std::size_t count) {
  const std::uint64_t size = count;
  auto* to = out.grow(sizeof size + count * sizeof(T));
  std::memcpy(to, &size, sizeof size);
  if (count != 0)
    std::memcpy(to + sizeof size, first, count * sizeof(T));
}

inline void write_count(buffer& out, std::size_t count) {
  const std::uint64_t size = count;
  std::memcpy(out.grow(sizeof size), &size, sizeof size);
}

} // namespace bulkhead::detail
