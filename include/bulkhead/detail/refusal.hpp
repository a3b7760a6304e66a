#pragma once

#include <bulkhead/detail/coder.hpp>

#include <functional>
#include <memory>
#include <span>
#include <string_view>
#include <type_traits>

// What the compiler says when a type cannot travel: one sentence for each common reason.
namespace bulkhead::detail {

template <class T>
inline constexpr bool is_view = false;
template <class C, class Traits>
inline constexpr bool is_view<std::basic_string_view<C, Traits>> = true;
template <class T, std::size_t N>
inline constexpr bool is_view<std::span<T, N>> = true;

template <class T>
inline constexpr bool is_shared_owner = false;
template <class T>
inline constexpr bool is_shared_owner<std::shared_ptr<T>> = true;
template <class T>
inline constexpr bool is_shared_owner<std::weak_ptr<T>> = true;

template <class T>
inline constexpr bool is_function_wrapper = false;
template <class R, class... Args>
inline constexpr bool is_function_wrapper<std::function<R(Args...)>> = true;

template <class T>
inline constexpr bool is_address =
  std::is_pointer_v<T> || std::is_reference_v<T> || std::is_member_pointer_v<T>;
template <class T>
inline constexpr bool is_address<std::reference_wrapper<T>> = true;

template <class T>
inline constexpr bool is_function = std::is_function_v<std::remove_pointer_t<T>>;

template <class T>
struct names_view : std::bool_constant<is_view<T>> {};
template <template <class...> class C, class... Ts>
struct names_view<C<Ts...>>
  : std::bool_constant<is_view<C<Ts...>> || (names_view<std::remove_cv_t<Ts>>::value || ...)> {};

template <class T>
struct names_address : std::bool_constant<is_address<T>> {};
template <template <class...> class C, class... Ts>
struct names_address<C<Ts...>>
  : std::bool_constant<is_address<C<Ts...>>
                       || (names_address<std::remove_cv_t<Ts>>::value || ...)> {};

/// Stops the compilation with a reason unless T can travel.
template <class T>
consteval void require_encodable() {
  constexpr bool fine = encodable<T>;
  constexpr bool view = !fine && names_view<T>::value;
  constexpr bool function = !fine && is_function<T>;
  constexpr bool address = !fine && !view && !function && names_address<T>::value;
  constexpr bool shared = !fine && is_shared_owner<T>;
  constexpr bool wrapper = !fine && is_function_wrapper<T>;
  static_assert(!view, "bulkhead: a string_view or span refers to memory of this process and "
                       "cannot travel; use std::string or std::vector");
  static_assert(!address, "bulkhead: a pointer or reference means nothing in another process; use "
                          "the value itself (std::string for const char*, std::unique_ptr<T> for "
                          "an optional part)");
  static_assert(!function,
                "bulkhead: a function can be a task or its argument, but no result and no "
                "part of a value: the host calls nothing that a worker names");
  static_assert(!shared, "bulkhead: a shared_ptr cannot be shared with another process; send the "
                         "value it points to");
  static_assert(!wrapper, "bulkhead: a std::function hides what it holds; send the function or "
                          "lambda itself");
  static_assert(fine || view || function || address || shared || wrapper,
                "bulkhead: this type cannot travel to another process; give it an inspect() "
                "function (bool inspect(auto& f, T& x) { return f.object(x).fields(f.field(\"a\", "
                "x.a)); }) or make it trivially copyable without pointers, references and unions "
                "(bulkhead::trivially_shippable<T> vouches for what the compiler cannot see)");
}

} // namespace bulkhead::detail
