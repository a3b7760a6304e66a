#pragma once

#include <array>
#include <cstddef>
#include <functional>
#include <initializer_list>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

// As what an argument travels: views and references as the values they refer to.
namespace bulkhead::detail {

template <class T>
concept character =
  std::is_same_v<T, char> || std::is_same_v<T, wchar_t> || std::is_same_v<T, char8_t>
  || std::is_same_v<T, char16_t> || std::is_same_v<T, char32_t>;

template <class T>
struct shipped_as {
  using type = T;
};

template <class T>
using shipped_t = typename shipped_as<std::remove_cvref_t<T>>::type;

template <class T>
  requires character<std::remove_cv_t<T>>
struct shipped_as<T*> {
  using type = std::basic_string<std::remove_cv_t<T>>;
};
template <character C, std::size_t N>
struct shipped_as<C[N]> {
  using type = std::basic_string<C>;
};
template <class T, std::size_t N>
  requires(!character<T>)
struct shipped_as<T[N]> {
  using type = std::array<shipped_t<T>, N>;
};
template <class C, class Traits>
struct shipped_as<std::basic_string_view<C, Traits>> {
  using type = std::basic_string<C, Traits>;
};
template <class T, std::size_t N>
struct shipped_as<std::span<T, N>> {
  using type = std::vector<std::remove_cv_t<T>>;
};
template <class T>
struct shipped_as<std::initializer_list<T>> {
  using type = std::vector<T>;
};
template <class T>
struct shipped_as<std::reference_wrapper<T>> {
  using type = shipped_t<T>;
};
template <class R, class... Args>
struct shipped_as<R(Args...)> {
  using type = R (*)(Args...);
};
template <class R, class... Args>
struct shipped_as<R(Args...) noexcept> {
  using type = R (*)(Args...) noexcept;
};
template <>
struct shipped_as<std::vector<bool>::reference> {
  using type = bool;
};

} // namespace bulkhead::detail
