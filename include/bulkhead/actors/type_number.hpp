#pragma once

// CAF knows message types by their names on 0.17, by numbers fixed at compile time on 1.x. Which
// CAF it is, and the numbers of declared types.

#include <caf/config.hpp>
#include <caf/fwd.hpp>

#if !defined(CAF_VERSION_MAJOR)
#  define BULKHEAD_CAF_0 1 // 0.17
#else
#  define BULKHEAD_CAF_0 0 // 1.0, 1.1
#endif

#if BULKHEAD_CAF_0

#  include <caf/make_message.hpp>

namespace bulkhead::detail {

/// To be instantiated where a type is declared.
template <class T>
struct declare_type {
  static constexpr bool done = true;
};

} // namespace bulkhead::detail

#else

#  include <caf/message.hpp>
#  include <caf/type_id.hpp>

#  include <cstddef>
#  include <cstdint>
#  include <string>
#  include <string_view>
#  include <type_traits>
#  include <vector>

namespace bulkhead::detail {

// Numbers below first_own_number are CAF's and those of a user's own type blocks. A declared type
// has a number made from its name, so that all parts of a program agree on it without a list of
// all types; whether two names gave one number is checked when the program starts.
constexpr std::uint16_t first_own_number = 2000;
constexpr std::uint16_t failure_number = first_own_number;
constexpr std::uint16_t first_vector_number = first_own_number + 1;
constexpr std::uint16_t first_declared_number = first_own_number + 48;
constexpr std::uint16_t declared_numbers = 8192;
constexpr std::uint16_t end_of_numbers = first_declared_number + 2 * declared_numbers;

/// The type's name as the compiler spells it.
template <class T>
constexpr std::string_view spelled_name() {
  std::string_view text = __PRETTY_FUNCTION__;
  text.remove_prefix(text.find("T = ") + 4);
  const auto end = text.find(';');
  return text.substr(0, end == text.npos ? text.rfind(']') : end);
}

constexpr std::uint16_t number_of_name(std::string_view name) {
  std::uint32_t hash = 2166136261u; // FNV-1a
  for (const char c : name)
    hash = (hash ^ static_cast<unsigned char>(c)) * 16777619u;
  return static_cast<std::uint16_t>(first_declared_number + (hash ^ hash >> 16) % declared_numbers);
}

// A declaration in any namespace makes the specialization of caf::type_id: it defines the friend
// of type_mark, whose deduced result makes it callable from then on.
#  if !defined(__clang__)
#    pragma GCC diagnostic push
#    pragma GCC diagnostic ignored "-Wnon-template-friend"
#  endif
template <class T>
struct type_mark {
  friend constexpr auto is_declared(type_mark<T>);
};
template <class T>
struct declare_type {
  friend constexpr auto is_declared(type_mark<T>) { return true; }
  static constexpr bool done = true;
};
#  if !defined(__clang__)
#    pragma GCC diagnostic pop
#  endif

template <class T>
concept declared = requires { is_declared(type_mark<T>{}); };

// Vectors that CAF 0.17 or the library itself registers there.
template <class T>
constexpr int element_number = -1;
template <>
inline constexpr int element_number<bool> = 0;
template <>
inline constexpr int element_number<std::int16_t> = 1;
template <>
inline constexpr int element_number<std::uint16_t> = 2;
template <>
inline constexpr int element_number<std::int32_t> = 3;
template <>
inline constexpr int element_number<std::uint32_t> = 4;
template <>
inline constexpr int element_number<std::int64_t> = 5;
template <>
inline constexpr int element_number<std::uint64_t> = 6;
template <>
inline constexpr int element_number<std::uint8_t> = 7;
template <>
inline constexpr int element_number<float> = 8;
template <>
inline constexpr int element_number<double> = 9;
template <>
inline constexpr int element_number<char> = 10;
template <>
inline constexpr int element_number<std::string> = 11;

template <class T>
struct type_number : std::integral_constant<std::uint16_t, number_of_name(spelled_name<T>())> {};
template <class T>
  requires(element_number<T> >= 0)
struct type_number<std::vector<T>>
  : std::integral_constant<std::uint16_t, first_vector_number + element_number<T>> {};
template <declared T>
struct type_number<std::vector<T>>
  : std::integral_constant<std::uint16_t, type_number<T>::value + declared_numbers> {};

template <class T>
constexpr bool is_numbered_vector = false;
template <class T>
constexpr bool is_numbered_vector<std::vector<T>> = element_number<T> >= 0 || declared<T>;

template <class T>
concept numbered = is_numbered_vector<T> || declared<T>;

} // namespace bulkhead::detail

namespace caf {

template <bulkhead::detail::numbered T>
struct type_id<T> {
  static constexpr type_id_t value = bulkhead::detail::type_number<T>::value;
};

template <bulkhead::detail::numbered T>
struct type_name<T> {
  static constexpr std::string_view value = bulkhead::detail::spelled_name<T>();
};

} // namespace caf

#endif
