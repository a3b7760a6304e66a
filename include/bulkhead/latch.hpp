#pragma once

#include <bulkhead/detail/shared_object.hpp>

#include <chrono>
#include <cstdint>

namespace bulkhead {

/// A counter in shared memory that travels and goes down to 0 once. Thread-safe.
class latch : public detail::shared_object {
public:
  explicit latch(std::uint64_t count);
  latch(detail::arrived_t arrived, detail::shared_segment segment)
    : shared_object(arrived, detail::shared_kind::latch, std::move(segment)) {}

  /// Throws config_error where it would go below 0.
  void count_down(std::uint64_t count = 1);
  bool try_wait() const noexcept; ///< whether it is 0
  void wait() const { static_cast<void>(wait_until_zero(detail::time_point::max())); }
  /// At most so long; false: it is not 0 yet.
  template <class Rep, class Period>
  bool wait(std::chrono::duration<Rep, Period> timeout) const {
    return wait_until_zero(detail::deadline_after(detail::to_nanoseconds(timeout)));
  }
  void arrive_and_wait() {
    count_down();
    wait();
  }

private:
  bool wait_until_zero(detail::time_point deadline) const;
};

} // namespace bulkhead
