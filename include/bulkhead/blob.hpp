#pragma once

#include <bulkhead/detail/shared_segment.hpp>
#include <bulkhead/detail/type_name.hpp>
#include <bulkhead/error.hpp>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <type_traits>
#include <utility>

namespace bulkhead {

/// Bytes that nobody can change any more and that are never copied: an argument, a result, a part
/// of another value or of a message. What travels is a descriptor; all processes map the same
/// memory, which goes with its last copy anywhere, also when that process is killed. Made by
/// make_blob() or a blob_builder, in a host, a task or an actor. Thread-safe.
class blob {
public:
  /// Of no bytes.
  blob() noexcept = default;

  std::span<const std::byte> bytes() const noexcept { return {segment_.data(), segment_.size()}; }
  std::size_t size() const noexcept { return segment_.size(); }

  /// The bytes as objects that were written there. Throws codec_error where the size is no multiple
  /// of theirs.
  template <class T>
  std::span<const T> as() const {
    static_assert(std::is_trivially_copyable_v<T>, "bulkhead: bytes are no objects of this type");
    static_assert(alignof(T) <= 4096, "bulkhead: a blob begins at a page");
    if (size() % sizeof(T) != 0)
      throw codec_error("a blob of " + std::to_string(size()) + " bytes holds no whole number of "
                        + detail::type_name(typeid(T)) + " of " + std::to_string(sizeof(T)));
    return {reinterpret_cast<const T*>(segment_.data()), size() / sizeof(T)};
  }

private:
  friend class blob_builder;
  friend struct detail::coder<blob>;
  explicit blob(detail::shared_segment segment) noexcept : segment_(std::move(segment)) {}

  detail::shared_segment segment_;
};

/// Memory in which a blob is written in place. Not thread-safe.
class blob_builder {
public:
  /// So many bytes, zeros. Throws too_large where the system has no such memory, std::system_error
  /// where it has no descriptor.
  explicit blob_builder(std::size_t bytes)
    : segment_(bytes == 0 ? detail::shared_segment{}
                          : detail::shared_segment::make("bulkhead-blob", bytes)) {}
  blob_builder(blob_builder&&) noexcept = default;
  blob_builder& operator=(blob_builder&&) noexcept = default;

  std::span<std::byte> bytes() const noexcept { return {segment_.data(), segment_.size()}; }

  /// Ends the writing: this builder has no bytes any more, and spans of bytes() end. Throws
  /// std::system_error where the memory cannot be sealed or mapped.
  blob seal() && {
    return segment_ ? blob{detail::shared_segment::freeze(std::move(segment_))} : blob{};
  }

private:
  detail::shared_segment segment_;
};

/// A blob with a copy of these bytes. Throws as blob_builder does.
inline blob make_blob(std::span<const std::byte> bytes) {
  blob_builder builder(bytes.size());
  if (!bytes.empty())
    std::memcpy(builder.bytes().data(), bytes.data(), bytes.size());
  return std::move(builder).seal();
}

namespace detail {

template <>
struct coder<blob> {
  static constexpr bool supported = true;
  static constexpr std::size_t least_bytes = coder<shared_descriptor>::least_bytes;
  static void write(buffer& out, const blob& value) { write_segment(out, value.segment_); }
  static blob read(reader& in) { return blob{read_segment(in, 1, shared_segment::access::frozen)}; }
};

} // namespace detail

} // namespace bulkhead
