#pragma once

#include <bulkhead/detail/duration.hpp>
#include <bulkhead/detail/shared_segment.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <type_traits>
#include <utility>

namespace bulkhead::detail {

/// What a shared object's memory begins with: which class made it.
enum class shared_kind : std::uint64_t {
  mutex = 0x626c6b68'00000001,
  recursive_mutex,
  condition,
  semaphore,
  bounded_semaphore,
  event,
  latch,
  barrier,
  value,
  array,
  queue,
};

/// Marks the constructor by which a handle arrives.
struct arrived_t {};

/// A handle to something in shared memory; copies are handles to the same. The const members are
/// thread-safe.
class shared_object {
public:
  const shared_segment& segment() const noexcept { return segment_; }

protected:
  /// A new one of zeros, but for its kind.
  shared_object(shared_kind kind, const char* name, std::size_t bytes);
  /// One that came. Throws codec_error where it is of another kind.
  shared_object(arrived_t, shared_kind kind, shared_segment segment);

  template <class Words>
  Words& words() const noexcept {
    return *reinterpret_cast<Words*>(memory_);
  }

private:
  shared_segment segment_;
  std::byte* memory_; ///< of the segment: a lock has no time to ask for it
};

/// A steady clock's time from any clock's.
template <class Clock, class Duration>
time_point steady_time(std::chrono::time_point<Clock, Duration> at) {
  return deadline_after(to_nanoseconds(at - Clock::now()));
}

/// Travels as its descriptor; its constructor (arrived_t, segment) makes the handle there.
template <class T>
  requires(std::is_base_of_v<shared_object, T>
           && std::is_constructible_v<T, arrived_t, shared_segment>)
struct coder<T> {
  static constexpr bool supported = true;
  static constexpr std::size_t least_bytes = coder<shared_descriptor>::least_bytes;
  static void write(buffer& out, const T& value) { write_segment(out, value.segment()); }
  static T read(reader& in) { return T{arrived_t{}, read_segment(in, sizeof(shared_kind))}; }
};

} // namespace bulkhead::detail
