#pragma once

#include <bulkhead/detail/shared_object.hpp>

#include <chrono>
#include <cstdint>

namespace bulkhead {

namespace detail {

/// What semaphore and bounded_semaphore have in common.
class semaphore_base : public shared_object {
public:
  /// Takes one; waits while there is none.
  void acquire() { static_cast<void>(take(time_point::max())); }
  /// False: there is none.
  bool try_acquire() { return take(std::chrono::steady_clock::now()); }
  /// Waits at most so long.
  template <class Rep, class Period>
  bool try_acquire_for(std::chrono::duration<Rep, Period> timeout) {
    return take(deadline_after(to_nanoseconds(timeout)));
  }
  template <class Clock, class Duration>
  bool try_acquire_until(std::chrono::time_point<Clock, Duration> at) {
    return take(steady_time(at));
  }
  /// Gives `count` back and wakes who waits. Throws config_error where that is more than the
  /// semaphore holds: a bounded one its initial number, else 2^63 - 1.
  void release(std::uint64_t count = 1);
  /// How many are there; another process may change it at any time.
  std::uint64_t value() const noexcept;

protected:
  semaphore_base(shared_kind kind, std::uint64_t count, std::uint64_t most);
  semaphore_base(arrived_t arrived, shared_kind kind, shared_segment segment)
    : shared_object(arrived, kind, std::move(segment)) {}

private:
  bool take(time_point deadline);
};

} // namespace detail

/// A counting semaphore in shared memory that travels. A waiter that is killed takes nothing; what
/// a process had acquired when it was killed is not given back: use a mutex where that matters.
/// Thread-safe.
class semaphore : public detail::semaphore_base {
public:
  /// `count` may be acquired at first. Throws config_error above 2^63 - 1.
  explicit semaphore(std::uint64_t count = 1)
    : semaphore_base(detail::shared_kind::semaphore, count, UINT64_MAX >> 1) {}
  semaphore(detail::arrived_t arrived, detail::shared_segment segment)
    : semaphore_base(arrived, detail::shared_kind::semaphore, std::move(segment)) {}
};

/// A semaphore that never holds more than at first: a release too many is a config_error.
class bounded_semaphore : public detail::semaphore_base {
public:
  explicit bounded_semaphore(std::uint64_t count = 1)
    : semaphore_base(detail::shared_kind::bounded_semaphore, count, count) {}
  bounded_semaphore(detail::arrived_t arrived, detail::shared_segment segment)
    : semaphore_base(arrived, detail::shared_kind::bounded_semaphore, std::move(segment)) {}
};

} // namespace bulkhead
