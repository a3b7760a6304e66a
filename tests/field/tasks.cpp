// Tasks of the jobs in tests/field/commands.
#include <bulkhead/task.hpp>

#include <cstdint>
#include <cstdio>
#include <iostream>
#include <limits>
#include <string>

#include <unistd.h>

namespace {

std::string loud(const std::string& s) {
  std::printf("DEBUG %s\n", s.c_str());
  std::cout << "cout " << s << std::endl;
  return s;
}

/// Waits until the file exists.
std::string pass(const std::string& gate) {
  while (::access(gate.c_str(), F_OK) != 0)
    ::usleep(500);
  return "passed";
}

std::int64_t whole(std::int64_t x) { return x; }
std::uint64_t natural(std::uint64_t x) { return x; }
double real(double x) { return x; }
std::string large(std::int64_t) { return std::string(200'000, 'x'); }
std::string bytes(std::int64_t) { return {"\xff\x00\x01\n", 4}; }

double odd(std::int64_t which) {
  using limits = std::numeric_limits<double>;
  return which == 0 ? limits::quiet_NaN() : which == 1 ? limits::infinity() : -limits::infinity();
}

std::int64_t crash(std::int64_t i) {
  if (i % 3 == 1)
    ::_exit(3);
  return i;
}

} // namespace

BULKHEAD_TASK("field.loud", loud)
BULKHEAD_TASK("field.pass", pass)
BULKHEAD_TASK("field.whole", whole)
BULKHEAD_TASK("field.natural", natural)
BULKHEAD_TASK("field.real", real)
BULKHEAD_TASK("field.large", large)
BULKHEAD_TASK("field.bytes", bytes)
BULKHEAD_TASK("field.odd", odd)
BULKHEAD_TASK("field.crash", crash)
