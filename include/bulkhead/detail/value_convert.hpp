#pragma once

#include <bulkhead/detail/codec.hpp>
#include <bulkhead/detail/shipped.hpp>
#include <bulkhead/detail/type_name.hpp>
#include <bulkhead/detail/value_place.hpp>

#include <chrono>
#include <cmath>
#include <filesystem>
#include <limits>
#include <optional>
#include <string>
#include <tuple>
#include <type_traits>
#include <utility>

// C++ types from and to configuration values. A converter<T> that can has
//   static constexpr bool supported
//   static T from(const value&, const place&)   throws config_error with place, expected and given
//   static value to(const T&)
namespace bulkhead::detail {

template <class T>
struct converter {
  static constexpr bool supported = false;
};

/// T can be written in a configuration file.
template <class T>
concept convertible = converter<std::remove_cv_t<T>>::supported;

template <>
struct converter<bool> {
  static constexpr bool supported = true;
  static bool from(const value& given, const place& at) {
    if (const auto* b = given.as<bool>())
      return *b;
    throw_unexpected(at, "true or false", given);
  }
  static value to(bool b) { return value(b); }
};

template <class T>
concept integer = std::is_integral_v<T> && !std::is_same_v<T, bool>;

template <integer T>
struct converter<T> {
  static constexpr bool supported = true;

  static T from(const value& given, const place& at) {
    if (const auto* i = given.as<std::int64_t>())
      if (std::in_range<T>(*i))
        return static_cast<T>(*i);
    if (const auto* u = given.as<std::uint64_t>())
      if (std::in_range<T>(*u))
        return static_cast<T>(*u);
    throw_unexpected(at, range_text(), given);
  }
  static value to(T number) {
    if constexpr (std::is_signed_v<T>)
      return value(static_cast<std::int64_t>(number));
    else
      return value(static_cast<std::uint64_t>(number));
  }

private:
  static std::string range_text() {
    return "a whole number from " + std::to_string(std::numeric_limits<T>::min()) + " to "
           + std::to_string(std::numeric_limits<T>::max());
  }
};

/// Characters are numbers of a kind that std::in_range does not take.
template <integer T>
  requires character<T>
struct converter<T> {
  static constexpr bool supported = std::is_same_v<T, char>;
  static char from(const value& given, const place& at) {
    if (const auto* s = given.as<std::string>())
      if (s->size() == 1)
        return s->front();
    throw_unexpected(at, "a text of one byte", given);
  }
  static value to(char c) { return value(std::string(1, c)); }
};

template <std::floating_point T>
struct converter<T> {
  static constexpr bool supported = true;
  static T from(const value& given, const place& at) {
    if (const auto* d = given.as<double>())
      return static_cast<T>(*d);
    if (const auto* i = given.as<std::int64_t>())
      return static_cast<T>(*i);
    if (const auto* u = given.as<std::uint64_t>())
      return static_cast<T>(*u);
    throw_unexpected(at, "a number", given);
  }
  static value to(T number) { return value(static_cast<double>(number)); }
};

template <>
struct converter<std::string> {
  static constexpr bool supported = true;
  static std::string from(const value& given, const place& at) {
    if (const auto* s = given.as<std::string>())
      return *s;
    throw_unexpected(at, "a text", given);
  }
  static value to(const std::string& s) { return value(s); }
};

template <>
struct converter<std::filesystem::path> {
  static constexpr bool supported = true;
  static std::filesystem::path from(const value& given, const place& at) {
    if (const auto* s = given.as<std::string>())
      return *s;
    throw_unexpected(at, "a path", given);
  }
  static value to(const std::filesystem::path& p) { return value(p.native()); }
};

/// Seconds.
template <class Rep, class Period>
struct converter<std::chrono::duration<Rep, Period>> {
  using type = std::chrono::duration<Rep, Period>;
  static constexpr bool supported = true;
  static type from(const value& given, const place& at) {
    const std::chrono::duration<double> seconds(converter<double>::from(given, at));
    const std::chrono::duration<double> most = type::max();
    const std::chrono::duration<double> least = type::min();
    if (!(seconds < most && seconds > least))
      throw_unexpected(at, "a number of seconds that fits " + type_name<type>(), given);
    return std::chrono::duration_cast<type>(seconds);
  }
  static value to(const type& d) { return value(std::chrono::duration<double>(d).count()); }
};

template <class T>
struct converter<std::optional<T>> {
  static constexpr bool supported = convertible<T>;
  static std::optional<T> from(const value& given, const place& at) {
    if (given.is_null())
      return std::nullopt;
    return converter<T>::from(given, at);
  }
  static value to(const std::optional<T>& v) { return v ? converter<T>::to(*v) : value(); }
};

} // namespace bulkhead::detail
