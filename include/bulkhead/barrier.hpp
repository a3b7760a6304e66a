#pragma once

#include <bulkhead/detail/shared_object.hpp>

#include <chrono>
#include <cstddef>
#include <stdexcept>

namespace bulkhead {

/// A barrier was aborted or reset while somebody waited at it, one who waited there died, or the
/// time of one of them was over.
class broken_barrier : public std::runtime_error {
public:
  using std::runtime_error::runtime_error;
};

/// A place in shared memory that travels, where a fixed number of parties wait for each other,
/// round after round. A party that dies while it waits breaks the barrier for all: each of them
/// gets broken_barrier, within about a tenth of a second, until reset(). Thread-safe.
class barrier : public detail::shared_object {
public:
  static constexpr std::size_t most_parties = 1024;

  /// Throws config_error unless 1 <= parties <= 1024.
  explicit barrier(std::size_t parties);
  barrier(detail::arrived_t arrived, detail::shared_segment segment);

  /// Waits until as many parties have come. Returns how many came before in this round: a
  /// different number for each, 0 for one of them. Throws broken_barrier.
  std::size_t wait() { return arrive(detail::time_point::max()); }
  /// The same; where the time is over before all are there, the barrier breaks.
  template <class Rep, class Period>
  std::size_t wait(std::chrono::duration<Rep, Period> timeout) {
    return arrive(detail::deadline_after(detail::to_nanoseconds(timeout)));
  }

  /// Breaks it: all who wait or come get broken_barrier.
  void abort();
  /// Whole and empty again; those who wait get broken_barrier.
  void reset();

  std::size_t parties() const noexcept;
  std::size_t waiting() const; ///< in this round, at this moment
  bool broken() const;

private:
  std::size_t arrive(detail::time_point deadline);
};

} // namespace bulkhead
