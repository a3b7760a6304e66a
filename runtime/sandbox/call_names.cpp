#include "runtime/sandbox/call_names.hpp"

#include <sys/syscall.h>

#include <algorithm>
#include <iterator>

namespace bulkhead::runtime::sandbox {

namespace {

struct known_call {
  std::string_view name;
  int number;
};

/// In the order of names.
constexpr known_call known_calls[] = {
#include <bulkhead_system_calls.inc>
};

} // namespace

std::optional<int> call_number(std::string_view name) noexcept {
  const auto* found = std::ranges::find(known_calls, name, &known_call::name);
  return found == std::end(known_calls) ? std::optional<int>{} : found->number;
}

std::string call_name(long number) {
  const auto* found =
    std::ranges::find_if(known_calls, [number](const auto& call) { return call.number == number; });
  return found == std::end(known_calls) ? "number " + std::to_string(number)
                                        : std::string{found->name};
}

int newest_call() noexcept {
  return std::ranges::max_element(known_calls, {}, &known_call::number)->number;
}

} // namespace bulkhead::runtime::sandbox
