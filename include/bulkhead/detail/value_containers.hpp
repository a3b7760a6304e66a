#pragma once

#include <bulkhead/detail/value_convert.hpp>

#include <array>
#include <string>
#include <tuple>
#include <utility>
#include <variant>
#include <vector>

// Lists and objects: containers, tuples and maps with text as key.
namespace bulkhead::detail {

/// The elements of a list. With `count`, exactly so many.
inline const value::array& expect_list(const value& given, const place& at) {
  if (const auto* list = given.as<value::array>())
    return *list;
  throw_unexpected(at, "a list", given);
}
inline const value::array& expect_list(const value& given, const place& at, std::size_t count) {
  const auto* list = given.as<value::array>();
  if (list == nullptr || list->size() != count)
    throw_unexpected(at, "a list of " + std::to_string(count), given);
  return *list;
}

template <class T>
concept text_map = maps<T> && std::is_same_v<typename T::key_type, std::string>
                   && requires(T& m) { m[std::string()]; };

template <text_map T>
struct converter<T> {
  using mapped = typename T::mapped_type;
  static constexpr bool supported = convertible<mapped>;

  static T from(const value& given, const place& at) {
    const auto* members = given.as<value::object>();
    if (members == nullptr)
      throw_unexpected(at, "an object", given);
    T map;
    for (const auto& each : *members)
      map.insert_or_assign(each.name, converter<mapped>::from(each.content, place(at, each.name)));
    return map;
  }
  static value to(const T& map) {
    value::object members;
    for (const auto& [name, content] : map)
      members.push_back({name, converter<mapped>::to(content)});
    return value(std::move(members));
  }
};

template <class T>
concept list_like = (sequence<T> || associative<T>)&&!text_map<T>;

/// Other maps are lists of pairs.
template <list_like T>
struct converter<T> {
  using element = typename T::value_type;
  static constexpr bool supported = convertible<element>;

  static T from(const value& given, const place& at) {
    T all;
    std::size_t index = 0;
    for (const auto& each : expect_list(given, at))
      all.insert(all.end(), converter<element>::from(each, place(at, index++)));
    return all;
  }
  static value to(const T& all) {
    value::array list;
    for (const auto& each : all)
      list.push_back(converter<element>::to(each));
    return value(std::move(list));
  }
};

template <class First, class Second>
struct converter<std::pair<First, Second>> {
  using first_type = std::remove_cv_t<First>;
  static constexpr bool supported = convertible<First> && convertible<Second>;

  static std::pair<First, Second> from(const value& given, const place& at) {
    const auto& list = expect_list(given, at, 2);
    auto first = converter<first_type>::from(list[0], place(at, 0));
    return {std::move(first), converter<Second>::from(list[1], place(at, 1))};
  }
  static value to(const std::pair<First, Second>& pair) {
    return value(
      value::array{converter<first_type>::to(pair.first), converter<Second>::to(pair.second)});
  }
};

template <class... Ts>
struct converter<std::tuple<Ts...>> {
  static constexpr bool supported = (convertible<Ts> && ...);

  static std::tuple<Ts...> from(const value& given, const place& at) {
    return from_list(expect_list(given, at, sizeof...(Ts)), at, std::index_sequence_for<Ts...>{});
  }
  static value to(const std::tuple<Ts...>& tuple) {
    return std::apply(
      [](const auto&... each) { return value(value::array{converter<Ts>::to(each)...}); }, tuple);
  }

private:
  template <std::size_t... I>
  static std::tuple<Ts...> from_list([[maybe_unused]] const value::array& list,
                                     [[maybe_unused]] const place& at, std::index_sequence<I...>) {
    return std::tuple<Ts...>{converter<Ts>::from(list[I], place(at, I))...};
  }
};

template <class T, std::size_t N>
struct converter<std::array<T, N>> {
  static constexpr bool supported = convertible<T> && std::is_default_constructible_v<T>;

  static std::array<T, N> from(const value& given, const place& at) {
    const auto& list = expect_list(given, at, N);
    std::array<T, N> all{};
    for (std::size_t i = 0; i != N; ++i)
      all[i] = converter<T>::from(list[i], place(at, i));
    return all;
  }
  static value to(const std::array<T, N>& all) {
    value::array list;
    for (const auto& each : all)
      list.push_back(converter<T>::to(each));
    return value(std::move(list));
  }
};

/// A result may be one of several types; in a file it would be ambiguous.
template <class... Ts>
struct converter<std::variant<Ts...>> {
  static constexpr bool supported = (convertible<Ts> && ...);

  static std::variant<Ts...> from(const value& given, const place& at) {
    throw_unexpected(at, type_name<std::variant<Ts...>>() + ", which cannot be written", given);
  }
  static value to(const std::variant<Ts...>& v) {
    return std::visit([]<class T>(const T& each) { return converter<T>::to(each); }, v);
  }
};

template <>
struct converter<std::monostate> {
  static constexpr bool supported = true;
  static std::monostate from(const value& given, const place& at) {
    if (!given.is_null())
      throw_unexpected(at, "null", given);
    return {};
  }
  static value to(std::monostate) { return {}; }
};

} // namespace bulkhead::detail
