#pragma once

#include <bulkhead/detail/shared_segment.hpp>

#include <cstddef>
#include <span>
#include <utility>

namespace bulkhead {

/// A view of shared memory that can only be read, made by shared_memory::view(). It travels like
/// the memory itself; no receiver can write to it, nor map it writable. What the owner writes is
/// seen at once: there is no lock in it. Copies in one process share a mapping.
class shared_memory_view {
public:
  /// Of nothing.
  shared_memory_view() noexcept = default;

  std::span<const std::byte> bytes() const noexcept { return {segment_.data(), segment_.size()}; }
  std::size_t size() const noexcept { return segment_.size(); }

private:
  friend class shared_memory;
  friend struct detail::coder<shared_memory_view>;
  explicit shared_memory_view(detail::shared_segment segment) noexcept
    : segment_(std::move(segment)) {}

  detail::shared_segment segment_;
};

/// Memory of a fixed size that processes share, without a name in the file system. It travels in
/// arguments and results of tasks, in arguments of processes, through pipes and inside other
/// values; whoever got it reads and writes the same bytes. It is freed with the last of its copies
/// in any process, also when that process is killed. There is no lock in it: see mutex.
class shared_memory {
public:
  /// None: no bytes.
  shared_memory() noexcept = default;

  /// So many bytes, zeros, at least one. Throws config_error for 0, too_large where the system has
  /// no such memory, std::system_error where it has no descriptor.
  explicit shared_memory(std::size_t bytes)
    : segment_(detail::shared_segment::make("bulkhead-shared", bytes)) {}

  std::span<std::byte> bytes() const noexcept { return {segment_.data(), segment_.size()}; }
  std::size_t size() const noexcept { return segment_.size(); }

  /// Seals it and returns what can only be read: from now on no process can begin to write to it,
  /// while those that have it already can still. A shared_memory that travels afterwards is a
  /// codec_error where it arrives. Throws std::system_error where the process has no descriptor or
  /// address space.
  shared_memory_view view() const {
    if (!segment_)
      return {};
    segment_.seal();
    return shared_memory_view{segment_.read_only()};
  }

private:
  friend struct detail::coder<shared_memory>;

  detail::shared_segment segment_;
};

namespace detail {

template <>
struct coder<shared_memory> {
  static constexpr bool supported = true;
  static constexpr std::size_t least_bytes = coder<shared_descriptor>::least_bytes;
  static void write(buffer& out, const shared_memory& value) { write_segment(out, value.segment_); }
  static shared_memory read(reader& in) {
    shared_memory made;
    made.segment_ = read_segment(in, 1);
    return made;
  }
};

template <>
struct coder<shared_memory_view> {
  static constexpr bool supported = true;
  static constexpr std::size_t least_bytes = coder<shared_descriptor>::least_bytes;
  static void write(buffer& out, const shared_memory_view& value) {
    write_segment(out, value.segment_);
  }
  static shared_memory_view read(reader& in) {
    return shared_memory_view{read_segment(in, 1, shared_segment::access::read_only)};
  }
};

} // namespace detail

} // namespace bulkhead
