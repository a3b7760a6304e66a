#pragma once

#include <bulkhead/detail/coder.hpp>
#include <bulkhead/error.hpp>
#include <bulkhead/mutex.hpp>
#include <bulkhead/shared_memory.hpp>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <utility>

namespace bulkhead {

/// A fixed number of elements in shared memory that travels, with a mutex for whoever wants one.
/// T is trivially copyable and holds no pointer. Elements are read and written directly: hold
/// mutex() where more than one process may write, and look at its previous_owner_died().
template <class T>
class shared_array {
  static_assert(detail::raw<T> || std::is_same_v<T, bool>,
                "bulkhead: a shared_array holds a trivially copyable type without pointers");

public:
  /// So many elements, each T{}. Throws config_error for 0, too_large where the system has no such
  /// memory.
  explicit shared_array(std::size_t count) : memory_(bytes_for(count)) {
    std::uninitialized_value_construct_n(data(), size());
  }

  std::size_t size() const noexcept { return memory_.size() / sizeof(T); }
  std::span<T> span() const noexcept { return {data(), size()}; }
  T& operator[](std::size_t index) const noexcept { return data()[index]; } ///< index < size()
  T* begin() const noexcept { return data(); }
  T* end() const noexcept { return data() + size(); }

  /// Protects the elements by agreement only.
  bulkhead::mutex& mutex() const noexcept { return lock_; }

private:
  friend struct detail::coder<shared_array>;

  shared_array(shared_memory memory, bulkhead::mutex lock)
    : memory_(std::move(memory)), lock_(std::move(lock)) {}

  static std::size_t bytes_for(std::size_t count) {
    if (count == 0)
      throw config_error("shared_array: 0 elements hold nothing; ask for at least one");
    if (count > PTRDIFF_MAX / sizeof(T))
      throw too_large("shared_array: " + std::to_string(count) + " elements of "
                      + std::to_string(sizeof(T)) + " bytes are more than any memory");
    return count * sizeof(T);
  }
  T* data() const noexcept { return reinterpret_cast<T*>(memory_.bytes().data()); }

  shared_memory memory_;
  mutable bulkhead::mutex lock_;
};

namespace detail {

template <class T>
struct coder<shared_array<T>> {
  static constexpr bool supported = true;
  static constexpr std::size_t least_bytes = 2 * coder<shared_descriptor>::least_bytes;
  static void write(buffer& out, const shared_array<T>& value) {
    coder<shared_memory>::write(out, value.memory_);
    coder<bulkhead::mutex>::write(out, value.lock_);
  }
  static shared_array<T> read(reader& in) {
    auto memory = coder<shared_memory>::read(in);
    if (memory.size() == 0 || memory.size() % sizeof(T) != 0)
      throw_undecodable(typeid(shared_array<T>), "the shared memory that came has another size");
    return {std::move(memory), coder<bulkhead::mutex>::read(in)};
  }
};

} // namespace detail

} // namespace bulkhead
