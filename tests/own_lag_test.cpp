// ctest-label: tsan
// Time in which the host itself could not look counts against nobody.
#include "runtime/dispatch/own_lag.hpp"

#include <doctest/doctest.h>
#include <rapidcheck.h>

using bulkhead::runtime::own_lag;
using time_point = own_lag::time_point;
using namespace std::chrono_literals;

namespace {

std::chrono::nanoseconds some_time() {
  return std::chrono::milliseconds{*rc::gen::inRange(0, 1'000'000)};
}

} // namespace

TEST_CASE("what began before a pause has run for the time outside the pause") {
  CHECK(rc::check([] {
    const time_point began = time_point{} + 1h;
    const auto ran = some_time();
    const auto lag = some_time();
    const own_lag late{began + ran + lag, lag};
    RC_ASSERT(late.now - late.began(began) == ran);
  }));
}

TEST_CASE("what began after a pause is not put into the future") {
  CHECK(rc::check([] {
    const time_point now = time_point{} + 1000h;
    const auto ran = some_time();
    const own_lag late{now, ran + some_time()};
    RC_ASSERT(late.began(now - ran) <= now);
    RC_ASSERT(late.began(now - ran) >= now - ran);
  }));
}

TEST_CASE("a grace that a pause interrupts has as much left as before, never more than the whole") {
  CHECK(rc::check([] {
    const time_point asked = time_point{} + 1h;
    const auto grace = some_time();
    const auto used = std::min(some_time(), grace);
    const auto lag = some_time();
    const own_lag late{asked + used + lag, lag};
    RC_ASSERT(late.ends(asked + grace, grace) - late.now == grace - used);
    const own_lag later{asked + used, lag}; // asked only after the pause
    RC_ASSERT(later.ends(asked + grace, grace) <= later.now + grace);
    RC_ASSERT(later.ends(asked + grace, grace) >= asked + grace);
  }));
}

TEST_CASE("what has not begun and what never ends stay so") {
  const own_lag late{time_point{} + 10h, 1h};
  CHECK(late.began(time_point{}) == time_point{});
  CHECK(late.ends(time_point::max(), 2s) == time_point::max());
}
