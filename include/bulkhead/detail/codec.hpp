#pragma once

#include <bulkhead/detail/buffer.hpp>
#include <bulkhead/detail/codec_arrays.hpp>
#include <bulkhead/detail/codec_containers.hpp>
#include <bulkhead/detail/codec_inspect.hpp>
#include <bulkhead/detail/codec_system.hpp>
#include <bulkhead/detail/codec_vocabulary.hpp>
#include <bulkhead/detail/coder.hpp>
#include <bulkhead/detail/reader.hpp>
#include <bulkhead/detail/refusal.hpp>

#include <type_traits>

// Values to bytes and back, between processes of one program: byte order, sizes and type
// definitions are the same on both sides, so nothing describes itself.
namespace bulkhead::detail {

/// Appends `value`. Throws codec_error for the few values that cannot travel though their type can
/// (a variant without a value, a foreign error category), and bad_alloc.
template <class T>
void encode(buffer& out, const T& value) {
  require_encodable<T>();
  if constexpr (encodable<T>)
    coder<T>::write(out, value);
}

/// Reads one T. Throws codec_error whatever the bytes are; allocates in proportion to them.
template <class T>
T decode(reader& in) {
  require_encodable<T>();
  if constexpr (encodable<T>)
    return coder<std::remove_cv_t<T>>::read(in);
  else
    throw_undecodable(typeid(T), "it cannot travel"); // spares the reader of errors another one
}

} // namespace bulkhead::detail
