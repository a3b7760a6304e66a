#include "runtime/system/spin.hpp"

#include <doctest/doctest.h>

using bulkhead::runtime::spinner;
using namespace std::chrono_literals;

namespace {

/// How often a call that finds nothing looks.
int looks_in_vain(spinner& s) {
  int looks = 0;
  CHECK(!s.spin([&] {
    ++looks;
    return false;
  }));
  return looks;
}

} // namespace

TEST_CASE("a spin that finds nothing again and again stops spinning, and tries now and then") {
  spinner s{20us};
  CHECK(looks_in_vain(s) > 1);
  int calls = 1;
  while (looks_in_vain(s) > 1)
    REQUIRE(++calls < 8);
  int resting = 1;
  while (looks_in_vain(s) == 1)
    REQUIRE(++resting < 1000);
  CHECK(resting > 100); // one sleeper in a hundred may pay for the try
}

TEST_CASE("a try that was worth it spins again, in full") {
  spinner s{20us};
  while (looks_in_vain(s) > 1) {
  }
  for (bool found = false; !found;) {
    int looks = 0;
    found = s.spin([&] { return ++looks == 2; });
  }
  CHECK(looks_in_vain(s) > 1);
}

TEST_CASE("what is there at once needs no budget; a longest of zero never spins") {
  spinner s{0us};
  CHECK(s.spin([] { return true; }));
  for (int i = 0; i < 1000; ++i)
    REQUIRE(looks_in_vain(s) == 1);
}
