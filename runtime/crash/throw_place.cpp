#include "runtime/crash/throw_place.hpp"

#include "runtime/code/code_place.hpp"
#include "runtime/crash/trace_text.hpp"

#include <unwind.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <new>
#include <utility>

// Where an exception was thrown. While the unwinder looks for a handler, it asks each frame on its
// way by that frame's personality function, and nothing has been unwound yet: the frame below has
// one that notes the stack and lets the search go on. So no throw of the program is intercepted,
// and one that is caught within the task costs nothing.
namespace bulkhead::runtime {

namespace {

struct noted_stack {
  std::array<std::uintptr_t, 40> addresses;
  std::size_t count;
};
thread_local noted_stack noted{};

_Unwind_Reason_Code note_frame(_Unwind_Context* frame, void*) {
  int before_instruction = 0;
  const std::uintptr_t address = _Unwind_GetIPInfo(frame, &before_instruction);
  if (address == 0 || noted.count == noted.addresses.size())
    return _URC_END_OF_STACK;
  // Below the innermost an address is that of the return, behind the call.
  noted.addresses[noted.count++] = before_instruction != 0 ? address : address - 1;
  return _URC_NO_REASON;
}

} // namespace

// NOLINTNEXTLINE(readability-identifier-naming): named by the directive below
extern "C" __attribute__((visibility("hidden"), used)) _Unwind_Reason_Code bulkhead_note_throw(
  int, _Unwind_Action actions, _Unwind_Exception_Class, _Unwind_Exception*, _Unwind_Context*) {
  if ((actions & _UA_SEARCH_PHASE) != 0) {
    noted.count = 0;
    _Unwind_Backtrace(&note_frame, nullptr);
  }
  return _URC_CONTINUE_UNWIND;
}

// Without anything to destroy, so that the compiler gives this frame no personality of its own; and
// with something behind the call, so that the frame is there. 0x1b: an offset of 32 bits from here.
__attribute__((noinline, no_sanitize("thread"))) void call_noting_throw(void (*f)(void*),
                                                                        void* argument) {
  asm volatile(".cfi_personality 0x1b, bulkhead_note_throw");
  f(argument);
  asm volatile("" ::: "memory");
}

code_trace noted_throw() noexcept try {
  std::vector<code_trace::frame> frames;
  frames.reserve(noted.count);
  for (std::size_t i = 0; i < noted.count; ++i) {
    const auto place = place_of_code(noted.addresses[i]);
    frames.push_back({noted.addresses[i], place.module, place.offset});
  }
  return code_trace{std::move(frames)};
} catch (const std::bad_alloc&) {
  return {};
}

} // namespace bulkhead::runtime

namespace bulkhead {

code_trace::code_trace(std::vector<frame> frames)
  : frames_(frames.empty() ? nullptr
                           : std::make_shared<const std::vector<frame>>(std::move(frames))) {}

std::span<const code_trace::frame> code_trace::frames() const noexcept {
  return frames_ ? std::span<const frame>{*frames_} : std::span<const frame>{};
}

std::string code_trace::text() const try {
  return runtime::throw_text(frames());
} catch (const std::exception&) { // no memory or no lock
  return {};
}

} // namespace bulkhead
