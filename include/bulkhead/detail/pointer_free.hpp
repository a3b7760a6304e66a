#pragma once

#include <bulkhead/trivially_shippable.hpp>

#include <cstddef>
#include <type_traits>

namespace bulkhead::detail {

template <std::size_t Size>
struct object_bytes {
  unsigned char bytes[Size];

  /// No 8 bytes in a row are zero (so no pointer is null), and they make valid numbers of every
  /// arithmetic type: an x87 long double is the picky one.
  static consteval object_bytes nowhere_null() {
    object_bytes filled{};
    for (std::size_t i = 0; i != Size; ++i)
      filled.bytes[i] = i % 16 == 7 || i % 16 == 8 ? 0x80 : 0;
    return filled;
  }
};

template <class T>
constexpr bool is_constant(const T&) {
  return true;
}

/// A bit_cast to T is no constant expression when T holds a pointer, reference, pointer to member
/// or union. GCC looks into members and bases for that, but not into arrays.
/// A bit_cast to T is no constant expression when T holds a pointer, reference, pointer to member
/// or union. GCC looks into members and bases for that, but not into arrays.
template <class T>
concept constant_from_bytes = requires {
  typename std::bool_constant<is_constant<T>(__builtin_bit_cast(T, object_bytes<sizeof(T)>{}))>;
};

template <auto>
struct constant {};

template <class T>
concept argument_of_zeros =
  requires { typename constant<__builtin_bit_cast(T, object_bytes<sizeof(T)>{})>; };
template <class T>
concept argument_of_ones =
  requires { typename constant<__builtin_bit_cast(T, object_bytes<sizeof(T)>::nowhere_null())>; };

/// GCC lets no template argument hold an invented pointer value, wherever in the object it lies:
/// T holds an array of pointers when zero bytes make a template argument and others do not. Blind
/// where T may not be a template argument at all (a class with private members in it).
template <class T>
inline constexpr bool has_pointer_array = [] {
#if defined(__clang__)
  return false; // bit_cast looks into arrays there
#else
  if constexpr (sizeof(T) <= 4096 && argument_of_zeros<T>)
    return !argument_of_ones<T>;
  else
    return false;
#endif
}();

/// T's bytes mean the same in another process: trivially copyable, no address inside.
template <class T>
concept pointer_free =
  trivially_shippable<T>
  || (std::is_trivially_copyable_v<T> && std::is_move_constructible_v<T> && !std::is_array_v<T>
      && !std::is_pointer_v<T> && !std::is_member_pointer_v<T> && !std::is_null_pointer_v<T>
      && (std::is_arithmetic_v<T> || std::is_enum_v<T>
          || (constant_from_bytes<T> && !has_pointer_array<T>)));

} // namespace bulkhead::detail
