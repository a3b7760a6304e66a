#pragma once

#include <bulkhead/detail/coder.hpp>
#include <bulkhead/detail/descriptor_list.hpp>

#include <cstddef>
#include <cstdint>
#include <type_traits>
#include <utility>

namespace bulkhead {

/// An open file descriptor that travels: in arguments and results of tasks, in arguments of
/// processes, initializers and finalizers, through pipes, and inside other values. What arrives is
/// another descriptor of the same open file, as dup(2) makes it; position and flags of the file
/// are shared. Copies in one process share one descriptor, which is closed with the last of them,
/// also by the death of its process. A message carries at most 240 different ones: more is a
/// codec_error. The const members are thread-safe.
class descriptor {
public:
  /// None: fd() is -1.
  descriptor() noexcept = default;

  /// Takes `fd` over: it will be closed. Throws config_error for a number that is not open.
  explicit descriptor(int fd);

  /// Of the same open file, close-on-exec; `fd` stays the caller's. Throws config_error for one
  /// that is not open, std::system_error where the process has no free descriptor.
  static descriptor copy_of(int fd);

  /// The number here, borrowed; -1: none.
  int fd() const noexcept { return held_ ? held_->fd() : -1; }
  explicit operator bool() const noexcept { return held_ != nullptr; }

private:
  friend struct detail::coder<descriptor>;
  explicit descriptor(detail::shared_descriptor held) noexcept : held_(std::move(held)) {}

  detail::shared_descriptor held_;
};

namespace detail {

inline constexpr std::uint64_t no_descriptor = 0;

/// Its key in the message; 0: none.
template <>
struct coder<shared_descriptor> {
  static constexpr bool supported = true;
  static constexpr std::size_t least_bytes = sizeof(std::uint64_t);

  static void write(buffer& out, const shared_descriptor& value) {
    coder<std::uint64_t>::write(out, value ? value->key() : no_descriptor);
    if (value)
      out.attach(value);
  }
  static shared_descriptor read(reader& in) {
    const auto key = coder<std::uint64_t>::read(in);
    return key == no_descriptor ? nullptr : in.descriptor(key, typeid(open_descriptor));
  }
};

template <>
struct coder<descriptor> {
  static constexpr bool supported = true;
  static constexpr std::size_t least_bytes = coder<shared_descriptor>::least_bytes;

  static void write(buffer& out, const descriptor& value) {
    coder<shared_descriptor>::write(out, value.held_);
  }
  static descriptor read(reader& in) { return descriptor{coder<shared_descriptor>::read(in)}; }
};

} // namespace detail

} // namespace bulkhead
