#pragma once

#include <bulkhead/detail/awaited_word.hpp>
#include <bulkhead/detail/shared_object.hpp>

#include <chrono>

namespace bulkhead {

/// A flag in shared memory that travels and can be waited for. Thread-safe.
class event : public detail::shared_object {
public:
  /// Not set.
  event();
  event(detail::arrived_t arrived, detail::shared_segment segment)
    : shared_object(arrived, detail::shared_kind::event, std::move(segment)) {}

  /// Sets it and wakes all who wait, even if it is cleared at once.
  void set();
  void clear();
  bool is_set() const noexcept;

  /// For wait(): the word to sleep on until is_set(); null where it is.
  detail::awaited_word sleep_word() const;

  /// Waits until it is set; at once where it is.
  void wait() const { static_cast<void>(wait_until_set(detail::time_point::max())); }
  /// At most so long; false: it was not set.
  template <class Rep, class Period>
  bool wait(std::chrono::duration<Rep, Period> timeout) const {
    return wait_until_set(detail::deadline_after(detail::to_nanoseconds(timeout)));
  }

private:
  bool wait_until_set(detail::time_point deadline) const;
};

} // namespace bulkhead
