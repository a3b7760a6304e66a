#include "runtime/crash/crash_walk.hpp"

#include "runtime/code/code_place.hpp"

#include <sys/uio.h>
#include <unistd.h>
#include <unwind.h>

#include <cstdint>

namespace bulkhead::runtime {

namespace {

constexpr int max_handler_frames = 32;

struct walk {
  flight_recorder& into;
  std::uintptr_t start;     ///< the interrupted code; frames before it are the handler's
  bool call_undone = false; ///< `start` is a return address
  bool started = false;
  int skipped = 0;
};

void push_frame(flight_recorder& into, std::uintptr_t address) noexcept {
  // Relaxed: one thread writes; the host reads after the death or takes what it finds.
  const auto count = into.frame_count.load(std::memory_order_relaxed);
  if (count >= max_frames)
    return;
  const auto place = place_of_code(address);
  into.frames[count] = address;
  into.modules[count] = place.module;
  into.offsets[count] = place.offset;
  into.frame_count.store(count + 1, std::memory_order_relaxed); // see above
}

_Unwind_Reason_Code on_frame(_Unwind_Context* frame, void* to) {
  auto& walking = *static_cast<walk*>(to);
  int before_instruction = 0;
  const std::uintptr_t address = _Unwind_GetIPInfo(frame, &before_instruction);
  const bool first = !walking.started && address == walking.start;
  walking.started = walking.started || first;
  if (!walking.started)
    return ++walking.skipped < max_handler_frames ? _URC_NO_REASON : _URC_END_OF_STACK;
  if (first && !walking.call_undone)
    return _URC_NO_REASON; // recorded before the walk
  if (address == 0)
    return _URC_END_OF_STACK;
  const bool exact = before_instruction != 0 && !first;
  push_frame(walking.into, exact ? address : address - 1);
  // Relaxed: this thread's own number.
  return walking.into.frame_count.load(std::memory_order_relaxed) < max_frames ? _URC_NO_REASON
                                                                               : _URC_END_OF_STACK;
}

_Unwind_Reason_Code on_warm_up(_Unwind_Context* frame, void*) {
  int before_instruction = 0;
  return _Unwind_GetIPInfo(frame, &before_instruction) != 0 ? _URC_NO_REASON : _URC_END_OF_STACK;
}

/// The kernel reads, so that a bad address is an error and no second crash.
std::uintptr_t read_word(std::uintptr_t address) noexcept {
  std::uintptr_t word = 0;
  const iovec to{&word, sizeof word};
  const iovec from{reinterpret_cast<void*>(address), sizeof word};
  return ::process_vm_readv(::getpid(), &to, 1, &from, 1, 0) == sizeof word ? word : 0;
}

/// A jump through a bad function pointer: nothing is known at that address, but its caller is.
std::uintptr_t caller_of_bad_call(const machine_context& at) noexcept {
  if (place_of_code(at.pc()).module != 0)
    return 0;
  const auto address = at.return_on_stack() ? read_word(at.sp()) : at.link();
  return place_of_code(address).module != 0 ? address : 0;
}

} // namespace

void warm_unwinder() noexcept {
  _Unwind_Backtrace(&on_warm_up, nullptr);
  static_cast<void>(read_word(reinterpret_cast<std::uintptr_t>(&max_handler_frames)));
}

void walk_crash(machine_context interrupted, flight_recorder& into) noexcept {
  into.frame_count.store(0, std::memory_order_relaxed); // this thread's own number
  push_frame(into, interrupted.pc());
  walk walking{into, interrupted.pc()};
  if (const auto caller = caller_of_bad_call(interrupted); caller != 0) {
    interrupted.undo_call(caller);
    walking.start = caller;
    walking.call_undone = true;
  }
  // Starts in this function, on the signal stack, and passes the kernel's signal frame.
  _Unwind_Backtrace(&on_frame, &walking);
}

} // namespace bulkhead::runtime
