#pragma once

#include <bulkhead/detail/coder.hpp>

#include <array>
#include <bitset>
#include <cstddef>
#include <cstring>
#include <type_traits>
#include <utility>

// As many elements or bits as the type says: no count travels.
namespace bulkhead::detail {

template <class T, std::size_t N>
inline constexpr bool has_own_encoding<std::array<T, N>> = true;

template <class T, std::size_t N>
struct coder<std::array<T, N>> {
  static constexpr bool supported = encodable<T>;
  static constexpr std::size_t least_bytes = [] {
    if constexpr (encodable<T>)
      return N * coder<T>::least_bytes;
    else
      return std::size_t{0};
  }();

  static void write(buffer& out, const std::array<T, N>& value) {
    if constexpr (raw<T>)
      out.append(value.data(), N * sizeof(T));
    else
      for (const auto& each : value)
        coder<T>::write(out, each);
  }

  static std::array<T, N> read(reader& in) {
    if constexpr (raw<T> && std::is_trivially_default_constructible_v<T>) {
      std::array<T, N> value;
      if constexpr (N != 0)
        std::memcpy(value.data(), in.take(N * sizeof(T), typeid(std::array<T, N>)), N * sizeof(T));
      return value;
    } else if constexpr (std::is_default_constructible_v<T> && N > 16) {
      std::array<T, N> value{};
      for (auto& each : value)
        each = coder<T>::read(in);
      return value;
    } else {
      return read_all(in, std::make_index_sequence<N>{});
    }
  }

private:
  template <std::size_t... I>
  static std::array<T, N> read_all([[maybe_unused]] reader& in, std::index_sequence<I...>) {
    if constexpr (N == 0)
      return {};
    else
      return {{(static_cast<void>(I), coder<T>::read(in))...}};
  }
};

template <std::size_t N>
inline constexpr bool has_own_encoding<std::bitset<N>> = true;

/// Bit by bit in bytes: a bitset's own bytes could have bits set behind its last one.
template <std::size_t N>
struct coder<std::bitset<N>> {
  static constexpr bool supported = true;
  static constexpr std::size_t least_bytes = (N + 7) / 8;

  static void write(buffer& out, const std::bitset<N>& value) {
    auto* to = out.grow(least_bytes);
    for (std::size_t i = 0; i != least_bytes; ++i)
      to[i] = std::byte{0};
    for (std::size_t i = 0; i != N; ++i)
      if (value[i])
        to[i / 8] |= std::byte{1} << (i % 8);
  }

  static std::bitset<N> read(reader& in) {
    const auto* from = in.take(least_bytes, typeid(std::bitset<N>));
    std::bitset<N> value;
    for (std::size_t i = 0; i != N; ++i)
      value[i] = std::to_integer<unsigned>(from[i / 8] >> (i % 8) & std::byte{1}) != 0;
    return value;
  }
};

} // namespace bulkhead::detail
