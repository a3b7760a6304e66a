#pragma once

#include <bulkhead/detail/codec_inspect.hpp>
#include <bulkhead/detail/large_memory.hpp>

#include <concepts>
#include <cstdint>
#include <iterator>
#include <ranges>
#include <string>
#include <type_traits>
#include <utility>

// Containers: the number of elements, then the elements in order. Whatever has the members of a
// standard container counts as one.
namespace bulkhead::detail {

template <class T>
concept container =
  !raw<T> && !inspectable<T> && std::default_initializable<T> && requires(T& c, const T& k) {
    typename T::value_type;
    { k.size() } -> std::convertible_to<std::size_t>;
    k.begin();
    k.end();
    c.clear();
  };

/// vector, deque, list, string.
template <class T>
concept sequence =
  container<T> && requires(T& c, typename T::value_type&& value) { c.push_back(std::move(value)); };

/// set, map, and their unordered and multi kin.
template <class T>
concept associative = container<T> && requires { typename T::key_type; };

template <class T>
concept maps = associative<T> && requires { typename T::mapped_type; };

/// Elements lie side by side and are copied in one go.
template <class T>
concept raw_sequence =
  sequence<T> && std::ranges::contiguous_range<T> && raw<typename T::value_type>
  && requires(T& c, std::size_t n) { c.resize(n); };

template <sequence T>
struct coder<T> {
  using element = typename T::value_type;
  static constexpr bool supported = encodable<element>;
  static constexpr std::size_t least_bytes = sizeof(std::uint64_t);

  static void write(buffer& out, const T& value) {
    if constexpr (raw_sequence<T>) {
      write_contiguous(out, std::ranges::data(value), value.size());
    } else {
      write_count(out, value.size());
      for (const auto& each : value)
        coder<element>::write(out, each);
    }
  }

  static T read(reader& in) {
    const auto count = in.take_count(coder<element>::least_bytes, sizeof(element), typeid(T));
    if constexpr (raw_sequence<T>)
      return read_contiguous(in, count);
    else
      return read_each(in, count);
  }

private:
  static T read_contiguous(reader& in, std::size_t count) {
    const auto* from = in.take(count * sizeof(element), typeid(T));
    T value;
    if (count == 0)
      return value;
    reserve_large(value, count);
    const auto* first = reinterpret_cast<const element*>(from);
    if (reinterpret_cast<std::uintptr_t>(from) % alignof(element) == 0) {
      value.assign(first, first + count); // one copy, no zeroing before it
    } else {
      value.resize(count);
      std::memcpy(static_cast<void*>(std::ranges::data(value)), from, count * sizeof(element));
    }
    return value;
  }

  static T read_each(reader& in, std::size_t count) {
    T value;
    // Elements of unknown length may be a lie: then the container grows as they come.
    if constexpr (coder<element>::least_bytes != 0 && requires { value.reserve(count); })
      value.reserve(count);
    for (std::size_t i = 0; i != count; ++i)
      value.push_back(coder<element>::read(in));
    return value;
  }
};

/// Containers that look through a bucket before they insert.
template <class T>
concept looks_through_buckets = requires(const T& c, const typename T::key_type& key) {
  c.begin(c.bucket(key)) != c.end(c.bucket(key));
  c.key_eq()(key, key);
};

template <associative T>
  requires(!sequence<T>)
struct coder<T> {
  using key = typename T::key_type;
  static constexpr std::size_t node_bytes = sizeof(typename T::value_type) + 4 * sizeof(void*);
  static constexpr std::size_t least_bytes = sizeof(std::uint64_t);
  static constexpr bool supported = [] {
    if constexpr (maps<T>)
      return encodable<key> && encodable<typename T::mapped_type>;
    else
      return encodable<key>;
  }();

  static void write(buffer& out, const T& value) {
    write_count(out, value.size());
    for (const auto& each : value) {
      if constexpr (maps<T>) {
        coder<key>::write(out, each.first);
        coder<typename T::mapped_type>::write(out, each.second);
      } else {
        coder<key>::write(out, each);
      }
    }
  }

  static T read(reader& in) {
    const auto count = in.take_count(least_element_bytes(), node_bytes, typeid(T));
    T value;
    for (std::size_t i = 0; i != count; ++i)
      read_one(in, value);
    return value;
  }

private:
  static constexpr std::size_t least_element_bytes() {
    if constexpr (maps<T>)
      return coder<key>::least_bytes + coder<typename T::mapped_type>::least_bytes;
    else
      return coder<key>::least_bytes;
  }

  static const key& key_of(const typename T::value_type& element) {
    if constexpr (maps<T>)
      return element.first;
    else
      return element;
  }

  static void read_one(reader& in, T& value) {
    auto first = coder<key>::read(in);
    if constexpr (looks_through_buckets<T>)
      if (in.is_sampled())
        in.charge_looks(looks_for(value, first), typeid(T));
    if constexpr (maps<T>)
      value.emplace_hint(value.end(), std::move(first), coder<typename T::mapped_type>::read(in));
    else
      value.emplace_hint(value.end(), std::move(first));
  }

  /// How many elements are looked at before `wanted` is inserted, or found to be there.
  static std::size_t looks_for(const T& value, const key& wanted) {
    std::size_t looks = 0;
    if (value.empty())
      return looks;
    const auto bucket = value.bucket(wanted);
    for (auto at = value.begin(bucket); at != value.end(bucket); ++at, ++looks)
      if (value.key_eq()(key_of(*at), wanted))
        break;
    return looks;
  }
};

} // namespace bulkhead::detail
