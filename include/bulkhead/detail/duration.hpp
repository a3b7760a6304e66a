#pragma once

#include <chrono>

namespace bulkhead::detail {

using time_point = std::chrono::steady_clock::time_point;

/// `now + timeout` without overflow; a negative timeout is now.
time_point deadline_after(std::chrono::nanoseconds timeout) noexcept;

/// The nearest duration that nanoseconds can hold; NaN is 0.
template <class Rep, class Period>
std::chrono::nanoseconds to_nanoseconds(std::chrono::duration<Rep, Period> d) noexcept {
  using namespace std::chrono;
  using wide = duration<long double, std::nano>;
  const auto exact = wide(d);
  if (exact != exact) // NaN
    return nanoseconds{0};
  if (exact >= wide(nanoseconds::max()))
    return nanoseconds::max();
  if (exact <= wide(nanoseconds::min()))
    return nanoseconds::min();
  return duration_cast<nanoseconds>(d);
}

} // namespace bulkhead::detail
