#include "runtime/outcome/limit_text.hpp"

#include <algorithm>
#include <span>

namespace bulkhead::runtime {

namespace {

struct unit_name {
  std::uint64_t size;
  const char* name;
};

std::string in_largest(std::uint64_t count, std::span<const unit_name> units) {
  // In the largest unit that says it exactly: people compare it with what they have set.
  for (const auto& u : units)
    if (count >= u.size && count % u.size == 0)
      return std::to_string(count / u.size) + ' ' + u.name;
  return "0 " + std::string{units.back().name};
}

} // namespace

std::string duration_text(std::chrono::nanoseconds time) {
  constexpr unit_name units[]{{3'600'000'000'000, "h"},
                              {60'000'000'000, "min"},
                              {1'000'000'000, "s"},
                              {1'000'000, "ms"},
                              {1000, "us"},
                              {1, "ns"}};
  const auto count = static_cast<std::uint64_t>(std::max<std::int64_t>(0, time.count()));
  return in_largest(count, units);
}

std::string size_text(std::uint64_t bytes) {
  constexpr unit_name units[]{
    {std::uint64_t{1} << 30, "GiB"}, {1 << 20, "MiB"}, {1 << 10, "KiB"}, {1, "bytes"}};
  return in_largest(bytes, units);
}

} // namespace bulkhead::runtime
