#pragma once

#include <bulkhead/detail/coder.hpp>

#include <cstdint>
#include <limits>
#include <memory>
#include <optional>
#include <tuple>
#include <type_traits>
#include <utility>
#include <variant>

// Products, sums and owners: the parts in order, behind an index or a flag where there is a choice.
namespace bulkhead::detail {

template <class... Ts>
inline constexpr std::size_t least_bytes_of = (std::size_t{0} + ... + coder<Ts>::least_bytes);

template <class First, class Second>
struct coder<std::pair<First, Second>> {
  static constexpr bool supported = encodable<First> && encodable<Second>;
  static constexpr std::size_t least_bytes = [] {
    if constexpr (supported)
      return least_bytes_of<std::remove_cv_t<First>, std::remove_cv_t<Second>>;
    else
      return std::size_t{0};
  }();

  static void write(buffer& out, const std::pair<First, Second>& value) {
    coder<std::remove_cv_t<First>>::write(out, value.first);
    coder<std::remove_cv_t<Second>>::write(out, value.second);
  }
  static std::pair<First, Second> read(reader& in) {
    auto first = coder<std::remove_cv_t<First>>::read(in);
    return {std::move(first), coder<std::remove_cv_t<Second>>::read(in)};
  }
};

template <class... Ts>
inline constexpr bool has_own_encoding<std::tuple<Ts...>> = true;

template <class... Ts>
struct coder<std::tuple<Ts...>> {
  static constexpr bool supported = (encodable<Ts> && ...);
  static constexpr std::size_t least_bytes = [] {
    if constexpr (supported)
      return least_bytes_of<std::remove_cv_t<Ts>...>;
    else
      return std::size_t{0};
  }();

  static void write([[maybe_unused]] buffer& out, const std::tuple<Ts...>& value) {
    std::apply([&](const auto&... each) { (coder<std::remove_cv_t<Ts>>::write(out, each), ...); },
               value);
  }
  /// Braces: the parts are read from left to right.
  static std::tuple<Ts...> read([[maybe_unused]] reader& in) {
    return std::tuple<Ts...>{coder<std::remove_cv_t<Ts>>::read(in)...};
  }
};

template <class T>
inline constexpr bool has_own_encoding<std::optional<T>> = true;

template <class T>
struct coder<std::optional<T>> {
  static constexpr bool supported = encodable<T>;
  static constexpr std::size_t least_bytes = 1;

  static void write(buffer& out, const std::optional<T>& value) {
    coder<bool>::write(out, value.has_value());
    if (value)
      coder<T>::write(out, *value);
  }
  static std::optional<T> read(reader& in) {
    if (!coder<bool>::read_flag(in, typeid(std::optional<T>)))
      return std::nullopt;
    return std::optional<T>{coder<T>::read(in)};
  }
};

template <class... Ts>
inline constexpr bool has_own_encoding<std::variant<Ts...>> = true;

template <class... Ts>
struct coder<std::variant<Ts...>> {
  using type = std::variant<Ts...>;
  static_assert(sizeof...(Ts) <= std::numeric_limits<std::uint8_t>::max());
  static constexpr bool supported = (encodable<Ts> && ...);
  static constexpr std::size_t least_bytes = 1;

  static void write(buffer& out, const type& value) {
    if (value.valueless_by_exception())
      throw_unencodable(typeid(type), "it holds no value after an exception");
    *out.grow(1) = static_cast<std::byte>(value.index());
    std::visit([&]<class T>(const T& each) { coder<T>::write(out, each); }, value);
  }

  static type read(reader& in) {
    const auto index = std::to_integer<std::size_t>(*in.take(1, typeid(type)));
    if (!validated("codec.index", index < sizeof...(Ts))) [[unlikely]]
      throw_undecodable(typeid(type), "the index is past the last alternative");
    return readers<std::index_sequence_for<Ts...>>::table[index](in);
  }

private:
  template <std::size_t I>
  static type read_alternative(reader& in) {
    return type{std::in_place_index<I>, coder<std::variant_alternative_t<I, type>>::read(in)};
  }
  template <class>
  struct readers;
  template <std::size_t... I>
  struct readers<std::index_sequence<I...>> {
    static constexpr type (*table[])(reader&) = {&read_alternative<I>...};
  };
};

/// A value that may be absent. The pointee must be the whole object: a base class could be a part
/// of something larger.
template <class T>
struct coder<std::unique_ptr<T>> {
  static constexpr bool supported =
    encodable<T> && !std::is_array_v<T> && (!std::is_polymorphic_v<T> || std::is_final_v<T>);
  static constexpr std::size_t least_bytes = 1;

  static void write(buffer& out, const std::unique_ptr<T>& value) {
    coder<bool>::write(out, value != nullptr);
    if (value)
      coder<std::remove_cv_t<T>>::write(out, *value);
  }
  static std::unique_ptr<T> read(reader& in) {
    if (!coder<bool>::read_flag(in, typeid(std::unique_ptr<T>)))
      return nullptr;
    return std::make_unique<T>(coder<std::remove_cv_t<T>>::read(in));
  }
};

} // namespace bulkhead::detail
