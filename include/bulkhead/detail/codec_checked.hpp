#pragma once

#include <bulkhead/detail/coder.hpp>

#include <concepts>
#include <exception>
#include <functional>
#include <string>
#include <type_traits>
#include <utility>

namespace bulkhead {

template <class T, auto Check>
  requires std::predicate<decltype(Check), const T&>
class checked;

} // namespace bulkhead

namespace bulkhead::detail {

template <class T, auto Check>
inline constexpr bool has_own_encoding<bulkhead::checked<T, Check>> = true;

/// As its value; the check comes when it is read.
template <class T, auto Check>
struct coder<bulkhead::checked<T, Check>> {
  static constexpr bool supported = encodable<T>;
  static constexpr std::size_t least_bytes = coder<T>::least_bytes;

  static void write(buffer& out, const bulkhead::checked<T, Check>& from) {
    coder<T>::write(out, from.value());
  }
  static bulkhead::checked<T, Check> read(reader& in) {
    auto value = coder<T>::read(in);
    if (!holds(value)) [[unlikely]]
      throw_undecodable(typeid(T), "its check refuses the value");
    return {std::move(value)};
  }

private:
  static bool holds(const T& value) {
    try {
      return std::invoke(Check, value);
    } catch (const std::exception& e) {
      throw_undecodable(typeid(T), std::string{"its check says: "} + e.what());
    }
  }
};

} // namespace bulkhead::detail
