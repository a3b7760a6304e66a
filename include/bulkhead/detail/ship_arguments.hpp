#pragma once

#include <bulkhead/detail/codec.hpp>
#include <bulkhead/detail/function_ref.hpp>
#include <bulkhead/detail/shipped.hpp>

#include <string_view>
#include <type_traits>

namespace bulkhead::detail {

template <class T>
concept function_pointer = std::is_pointer_v<T> && std::is_function_v<std::remove_pointer_t<T>>;

/// A function pointer travels as an argument or callable, never inside a value nor as a result:
/// a host must not call what a broken worker names.
template <function_pointer F>
void encode_function(buffer& out, F function) {
  const auto ref =
    function == nullptr ? function_ref{} : to_ref(reinterpret_cast<const void*>(function));
  coder<function_ref>::write(out, ref);
}

template <function_pointer F>
F decode_function(reader& in) {
  const auto ref = coder<function_ref>::read(in);
  if (ref == function_ref{})
    return nullptr;
  return reinterpret_cast<F>(const_cast<void*>(from_ref(ref)));
}

template <class Element, class View>
void write_elements(buffer& out, const View& view) {
  require_encodable<Element>();
  if constexpr (raw<Element>) {
    write_contiguous<Element>(out, std::data(view), view.size());
  } else {
    write_count(out, view.size());
    for (const auto& each : view)
      coder<Element>::write(out, each);
  }
}

/// Writes `value` so that decode_argument<shipped_t<T>> reads it.
/// The characters before the first terminator; all of them where there is none.
template <class Char, std::size_t N>
std::size_t length_of_text(const Char (&text)[N]) noexcept {
  std::size_t length = 0;
  while (length < N && text[length] != Char{})
    ++length;
  return length;
}

template <class T>
void encode_argument(buffer& out, const T& value) {
  using shipped = shipped_t<T>;
  if constexpr (function_pointer<shipped>) {
    encode_function<shipped>(out, value);
  } else if constexpr (std::is_same_v<shipped, T>) {
    encode(out, value);
  } else if constexpr (requires { value.get(); }) { // reference_wrapper
    encode_argument(out, value.get());
  } else if constexpr (std::is_array_v<T> && !character<std::remove_extent_t<T>>) {
    for (const auto& each : value)
      encode_argument(out, each);
  } else if constexpr (std::is_array_v<T> || std::is_pointer_v<T>) {
    using view = std::basic_string_view<typename shipped::value_type>;
    if constexpr (std::is_pointer_v<T>)
      if (value == nullptr)
        throw_unencodable(typeid(T), "it is null, not a text");
    const auto text = [&] {
      if constexpr (std::is_array_v<T>) // a full array has no terminator
        return view(value, length_of_text(value));
      else
        return view(value);
    }();
    write_contiguous(out, text.data(), text.size());
  } else if constexpr (std::is_same_v<shipped, bool>) { // the reference of a vector<bool>
    coder<bool>::write(out, value);
  } else { // string_view, span, initializer_list
    write_elements<typename shipped::value_type>(out, value);
  }
}

template <class T>
T decode_argument(reader& in) {
  if constexpr (function_pointer<T>)
    return decode_function<T>(in);
  else
    return decode<T>(in);
}

/// The arguments one behind the other, as the stub of these types decodes them.
template <class... Args>
void encode_args([[maybe_unused]] buffer& out, const Args&... args) {
  (encode_argument(out, args), ...);
}

} // namespace bulkhead::detail
