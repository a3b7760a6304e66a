#pragma once

#include <bulkhead/detail/coder.hpp>
#include <bulkhead/mutex.hpp>
#include <bulkhead/shared_memory.hpp>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <new>
#include <type_traits>
#include <utility>

namespace bulkhead {

/// One value in shared memory that travels, with a lock of its own. T is trivially copyable and
/// holds no pointer. A change is made by one store at its end, so a process that is killed in the
/// middle of it leaves the value as it was, and whoever reads sees no half of it. Thread-safe.
template <class T>
class shared_value {
  static_assert(detail::raw<T> || std::is_same_v<T, bool>,
                "bulkhead: a shared_value holds a trivially copyable type without pointers; for "
                "others use a queue, or shared_memory with a mutex");

public:
  /// Throws std::system_error and too_large where the system refuses memory or descriptors.
  explicit shared_value(const T& initial = T{}) : memory_(sizeof(words)) {
    new (memory_.bytes().data()) words{{initial, initial}, {0}};
  }

  T load() const {
    const holding lock{lock_};
    return current();
  }
  operator T() const { return load(); }
  void store(const T& value) {
    with([&](T& x) { x = value; });
  }
  T exchange(const T& value) {
    return with([&](T& x) { return std::exchange(x, value); });
  }
  /// The value before.
  T fetch_add(const T& by)
    requires requires(T& x) { x = static_cast<T>(x + by); }
  {
    return with([&](T& x) { return std::exchange(x, static_cast<T>(x + by)); });
  }
  T fetch_sub(const T& by)
    requires requires(T& x) { x = static_cast<T>(x - by); }
  {
    return with([&](T& x) { return std::exchange(x, static_cast<T>(x - by)); });
  }

  /// Calls `f(T&)` under the lock, on a copy that becomes the value when f returns; where f throws
  /// the value stays as it was. Returns what f returns. f must not use this value again.
  template <class F>
  decltype(auto) with(F&& f) {
    const holding lock{lock_};
    T copy = current();
    if constexpr (std::is_void_v<std::invoke_result_t<F&, T&>>) {
      f(copy);
      commit(copy);
    } else {
      std::decay_t<std::invoke_result_t<F&, T&>> result = f(copy);
      commit(copy);
      return result;
    }
  }

private:
  friend struct detail::coder<shared_value>;

  /// The one at `active` counts; a change writes the other and then `active`.
  struct words {
    T values[2];
    std::atomic<std::uint32_t> active;
  };
  shared_value(shared_memory memory, bulkhead::mutex lock)
    : memory_(std::move(memory)), lock_(std::move(lock)) {}

  words& here() const noexcept { return *reinterpret_cast<words*>(memory_.bytes().data()); }

  /// The lock for as long as it lives; a holder that died has changed nothing or all.
  class holding {
  public:
    explicit holding(bulkhead::mutex& m) : of_(m) {
      of_.lock();
      of_.mark_consistent();
    }
    holding(const holding&) = delete;
    holding& operator=(const holding&) = delete;
    ~holding() { of_.unlock(); }

  private:
    bulkhead::mutex& of_;
  };

  // relaxed: written and read under the lock.
  std::uint32_t active() const noexcept {
    return here().active.load(std::memory_order_relaxed) & 1;
  }
  const T& current() const noexcept { return here().values[active()]; }
  void commit(const T& value) noexcept {
    const auto next = 1 - active();
    here().values[next] = value;
    here().active.store(next, std::memory_order_release); // after the value, should we die here
  }

  shared_memory memory_;
  mutable bulkhead::mutex lock_;
};

namespace detail {

template <class T>
struct coder<shared_value<T>> {
  static constexpr bool supported = true;
  static constexpr std::size_t least_bytes = 2 * coder<shared_descriptor>::least_bytes;
  static void write(buffer& out, const shared_value<T>& value) {
    coder<shared_memory>::write(out, value.memory_);
    coder<bulkhead::mutex>::write(out, value.lock_);
  }
  static shared_value<T> read(reader& in) {
    auto memory = coder<shared_memory>::read(in);
    if (memory.size() != sizeof(typename shared_value<T>::words))
      throw_undecodable(typeid(shared_value<T>), "the shared memory that came has another size");
    return {std::move(memory), coder<bulkhead::mutex>::read(in)};
  }
};

} // namespace detail

} // namespace bulkhead
