#include "runtime/crash/stack_bounds.hpp"

#include <sys/resource.h>
#include <unistd.h>

namespace bulkhead::runtime {

namespace {

constinit pid_t main_thread = 0;
constinit std::uintptr_t some_place = 0; ///< in the main thread's stack, near its top

constexpr std::uintptr_t near_bytes = 64 * 1024;

std::uintptr_t bytes_apart(std::uintptr_t a, std::uintptr_t b) noexcept {
  return a < b ? b - a : a - b;
}

bool main_stack_passed(std::uintptr_t stack_pointer) noexcept {
  rlimit limit{};
  if (::gettid() != main_thread || ::getrlimit(RLIMIT_STACK, &limit) != 0
      || limit.rlim_cur == RLIM_INFINITY || limit.rlim_cur > some_place)
    return false;
  // The stack's top is a little above the place that was noted; arguments and environment lie
  // there.
  const auto top = some_place + near_bytes;
  return stack_pointer < some_place && top - stack_pointer > limit.rlim_cur;
}

} // namespace

void note_main_stack() noexcept {
  main_thread = ::gettid();
  some_place = reinterpret_cast<std::uintptr_t>(__builtin_frame_address(0));
}

bool is_stack_overflow(std::uintptr_t fault, std::uintptr_t stack_pointer) noexcept {
  // Memory next to a sound stack pointer is always mapped.
  return bytes_apart(fault, stack_pointer) <= near_bytes || main_stack_passed(stack_pointer);
}

} // namespace bulkhead::runtime
